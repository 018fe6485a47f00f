'use strict';
// The page has three steps: a picture comes onto the canvas, the library (WebAssembly, see src/exports.rs) prepares and
// classifies it, and the answers are shown.

const get = (id) => document.getElementById(id);
const paper = get('picture');
const ink = paper.getContext('2d', { willReadFrequently: true });
const MOST_ROWS = 16; // of more classes, the likeliest of the picture
const MOST_SIDE = 1600; // of a photograph: larger ones are shrunk by the browser
const SIDE = 196; // of a drawing, in pixels: seven to one of LeNet's; more take longer to prepare and change nothing
const PEN = 14;
let library;
let classes = [];

// ---- the library

// Bytes that are embedded in the page, as examples/page.rs packs them: compressed, fifteen bits a character; and of several
// planes, the first bytes of all numbers first.
async function embedded(name) {
  const element = get(name);
  if (!element) return null;
  const text = element.textContent;
  const bytes = new Uint8Array(Number(element.dataset.bytes));
  let bits = 0, held = 0, at = 0;
  for (let i = 0; i < text.length; i++) {
    bits = bits << 15 | text.charCodeAt(i) - 0x100;
    for (held += 15; held >= 8;) { held -= 8; bytes[at++] = bits >> held; }
    bits &= (1 << held) - 1;
  }
  element.remove();
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  const sorted = new Uint8Array(await new Response(stream).arrayBuffer());
  const planes = Number(element.dataset.planes);
  const plain = new Uint8Array(sorted.length);
  let next = 0;
  for (let plane = 0; plane < planes; plane++) {
    for (let i = plane; i < plain.length; i += planes) plain[i] = sorted[next++];
  }
  return plain;
}

const text = (bytes) => new TextDecoder().decode(bytes);

// Calls a function of the library with bytes; gives its number and the bytes of its output. It may have moved its memory.
function call(name, bytes, ...numbers) {
  if (bytes) {
    const at = library.input(bytes.length);
    if (!at) throw new Error(`${bytes.length} bytes are too many`);
    new Uint8Array(library.memory.buffer, at, bytes.length).set(bytes);
  }
  const number = library[name](...numbers);
  const output = new Uint8Array(library.memory.buffer, library.output(), library.output_len()).slice();
  if (number < 0) throw new Error(text(output));
  return { number, output };
}

// ---- answers

function classify(name, Logits) {
  const begin = performance.now();
  const { number, output } = call(name);
  const milliseconds = performance.now() - begin;
  const count = output.length / 8;
  const logits = new Logits(output.buffer, 0, count);
  const probabilities = new Float32Array(output.buffer, 4 * count, count);
  const [verdict, reason, agrees] = text(call('verdict').output).split('\n');
  return { class: number, logits, probabilities, verdict, reason, agrees, milliseconds };
}

const percent = (probability) => `${(100 * probability).toFixed(1)} %`;

function sentence(answer) {
  if (!answer) return '–';
  if (answer.reason) return `${answer.verdict}: ${answer.reason}`;
  const agrees = answer.agrees ? ', and float surely says the same' : '';
  return `${classes[answer.class]}, ${answer.verdict}, ${percent(answer.probabilities[answer.class])}${agrees}`;
}

function show(answers, preparing) {
  const [float, int8] = answers;
  get('float').textContent = sentence(float);
  get('int8').textContent = sentence(int8);
  const { probabilities } = float || int8;
  let rows = [...classes.keys()];
  if (rows.length > MOST_ROWS) {
    rows = rows.sort((a, b) => probabilities[b] - probabilities[a]).slice(0, MOST_ROWS);
  }
  get('bars').replaceChildren(...rows.map((row) => {
    const line = document.createElement('tr');
    const name = document.createElement('th');
    name.scope = 'row';
    name.textContent = name.title = classes[row];
    line.append(name);
    for (const [kind, answer] of [['float', float], ['int8', int8]]) {
      const cell = document.createElement('td');
      if (answer) {
        const [bar, length, number] = ['div', 'i', 'small'].map((tag) => document.createElement(tag));
        bar.className = `bar ${kind}`;
        length.style.width = `${70 * answer.probabilities[row]}%`;
        number.textContent = percent(answer.probabilities[row]);
        bar.append(length, number);
        cell.append(bar);
      }
      line.append(cell);
    }
    return line;
  }));
  const times = [['preparing', preparing], ['float', float?.milliseconds], ['int8', int8?.milliseconds]];
  get('times').textContent = times.filter(([, time]) => time !== undefined)
    .map(([name, time]) => `${name} ${time.toFixed(1)} ms`).join(', ');
}

function showSeen() {
  const [, height, width] = shape();
  const canvas = get('seen');
  [canvas.width, canvas.height] = [width, height];
  const pixels = new Uint8ClampedArray(call('seen').output);
  canvas.getContext('2d').putImageData(new ImageData(pixels, width, height), 0, 0);
}

const shape = () => description()[0].split(' ').map(Number);
const description = () => text(call('describe').output).split('\n');

// Classifies what the library holds.
function answer(preparing) {
  const open = description()[2];
  const answers = [
    open.includes('float') ? classify('classify_float', Float32Array) : null,
    open.includes('int8') ? classify('classify_int8', Int32Array) : null,
  ];
  show(answers, preparing);
  showSeen();
  return answers;
}

// Takes the answers away, where there is nothing to answer.
function showNothing() {
  for (const id of ['float', 'int8']) get(id).textContent = '–';
  for (const id of ['bars', 'times']) get(id).replaceChildren();
  get('seen').getContext('2d').clearRect(0, 0, get('seen').width, get('seen').height);
}

// Classifies the canvas; a blank one only for a model of digits, which says that nothing is on it.
function read() {
  if (isBlank && description()[1] !== 'digit') return showNothing();
  const { width, height } = paper;
  const { data } = ink.getImageData(0, 0, width, height);
  const begin = performance.now();
  call('prepare', data, width, height);
  return answer(performance.now() - begin);
}

let isDue = false;
function readSoon() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => { isDue = false; attempt(read); });
}

// ---- pictures and models

function say(message) { get('message').textContent = message; }

async function attempt(work) {
  try {
    const result = await work();
    say('');
    return result;
  } catch (error) {
    say(error.message);
    return undefined;
  }
}

let isBlank = true; // whether nothing was drawn or opened since the canvas was cleared

function clear() {
  isBlank = true;
  [paper.width, paper.height] = [SIDE, SIDE];
  ink.fillStyle = '#fff';
  ink.fillRect(0, 0, paper.width, paper.height);
  ink.lineWidth = PEN;
  ink.lineCap = ink.lineJoin = 'round';
}

function draw(source, width, height) {
  const shrink = Math.min(1, MOST_SIDE / Math.max(width, height));
  [paper.width, paper.height] = [width, height].map((side) => Math.max(1, Math.round(side * shrink)));
  ink.drawImage(source, 0, 0, paper.width, paper.height);
  isBlank = false;
  return read();
}

async function openFile(file) {
  if (/\.(baked|q8|onnx)$/i.test(file.name)) {
    openModel(new Uint8Array(await file.arrayBuffer()));
    return read();
  }
  let picture;
  try {
    picture = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name || 'what was pasted'} is no picture that this browser reads`);
  }
  return draw(picture, picture.width, picture.height);
}

async function openFiles(files) {
  for (const file of files) await attempt(() => openFile(file));
}

function openModel(bytes) {
  call('open', bytes);
  const [size, preprocess, open, ...names] = description();
  classes = names;
  const [channels, height, width] = size.split(' ');
  get('about').textContent = `Takes ${width}×${height} pixels${channels === '1' ? ' in grey' : channels === '3' ? ' in colour' : ''}`
    + `${preprocess === 'digit' ? ' of a handwritten digit' : `, ${preprocess === 'stretch' ? 'stretched' : preprocess === 'crop' ? 'cropped' : 'padded'}`}; `
    + `${names.length} classes${open === 'int8' ? ', numbered, since a .q8 file names none' : ''}; ${open}.`;
  get('count').textContent = names.length > MOST_ROWS ? `the ${MOST_ROWS} likeliest of ${names.length} classes` : '';
  if (open.includes('two')) say('The int8 model was made of another float model than this one.');
}

// ---- mouse, pen, finger and keys

let pen = null;

function place(event) {
  const box = paper.getBoundingClientRect();
  return [(event.clientX - box.left) * paper.width / box.width, (event.clientY - box.top) * paper.height / box.height];
}

function stroke(from, to) {
  ink.beginPath();
  ink.moveTo(...from);
  ink.lineTo(...to);
  ink.strokeStyle = '#000';
  ink.stroke();
  isBlank = false;
  readSoon();
}

let isDrawing = true; // whether the canvas is a drawing rather than a picture, which a stroke would begin anew
paper.addEventListener('pointerdown', (event) => {
  if (!isDrawing) { clear(); isDrawing = true; }
  paper.setPointerCapture(event.pointerId);
  pen = place(event);
  stroke(pen, pen);
});
paper.addEventListener('pointermove', (event) => {
  if (!pen) return;
  for (const passed of event.getCoalescedEvents?.() ?? [event]) {
    const next = place(passed);
    stroke(pen, next);
    pen = next;
  }
});
for (const end of ['pointerup', 'pointercancel']) paper.addEventListener(end, () => { pen = null; });

const STEP = SIDE / 28;
const STEPS = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
const middle = () => ({ at: [SIDE / 2, SIDE / 2], isDown: false });
let hand = middle();
paper.addEventListener('keydown', (event) => {
  if (event.key === ' ') {
    if (!isDrawing) { clear(); isDrawing = true; }
    hand.isDown = !hand.isDown;
    if (hand.isDown) stroke(hand.at, hand.at);
    say(hand.isDown ? 'pen down' : 'pen up');
  } else if (STEPS[event.key]) {
    const next = hand.at.map((at, axis) => Math.min(SIDE - STEP, Math.max(STEP, at + STEPS[event.key][axis])));
    if (hand.isDown) stroke(hand.at, next);
    hand.at = next;
  } else {
    return;
  }
  event.preventDefault();
});

get('clear').onclick = () => { clear(); isDrawing = true; hand = middle(); attempt(read); };
get('open').onclick = () => get('file').click();
get('file').onchange = async (event) => { isDrawing = false; await openFiles(event.target.files); event.target.value = ''; };
document.addEventListener('paste', (event) => { isDrawing = false; openFiles(event.clipboardData.files); });
document.addEventListener('dragover', (event) => { event.preventDefault(); document.body.classList.add('over'); });
document.addEventListener('dragleave', () => document.body.classList.remove('over'));
document.addEventListener('drop', (event) => {
  event.preventDefault();
  document.body.classList.remove('over');
  isDrawing = false;
  openFiles(event.dataTransfer.files);
});

const CAMERA_ERRORS = {
  NotAllowedError: 'The camera was not allowed: allow it for this page in the browser, then try again.',
  NotFoundError: 'There is no camera.',
  NotReadableError: 'The camera is in use by another program.',
};
get('camera').onclick = () => attempt(async () => {
  const video = get('video');
  if (video.srcObject) { // the second time takes the picture
    isDrawing = false;
    draw(video, video.videoWidth, video.videoHeight);
    video.srcObject.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
    video.hidden = true;
    get('camera').textContent = 'Camera';
    return;
  }
  if (!navigator.mediaDevices) throw new Error('A browser gives the camera only to a page from disk or by https.');
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
  } catch (error) {
    throw new Error(CAMERA_ERRORS[error.name] ?? `The camera gives no picture: ${error.message}`);
  }
  video.hidden = false;
  await video.play();
  get('camera').textContent = 'Take the picture';
});

// ---- start

attempt(async () => {
  clear();
  const { instance } = await WebAssembly.instantiate(await embedded('library'), {});
  library = instance.exports;
  for (const name of ['float-model', 'int8-model']) {
    const model = await embedded(name);
    if (model) openModel(model);
  }
  read(); // the first time, browsers still compile
  read();
  document.body.dataset.ready = 'yes';
});
