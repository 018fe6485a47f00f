//! The page of `firmware-sim/web` in a real browser: drawn on, read, and compared with the host.
//!
//! `PAGE` names the page, which `firmware-sim/web/build` made with LeNet's two models, and `PAGE_Q8` that of int8; `tests/run`
//! does both. Without Chromium the test says so and passes over.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::{env, thread, time::Duration};

use dataset::idx::Part;
use firmware::Model;
use runtime::Classifier;
use serde_json::{Value, json};

const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// A browser that is told what to do through two pipes, in Chromium's `DevTools` protocol.
struct Browser {
    process: Child,
    orders: File,
    reports: BufReader<File>,
    /// Of the page; none is the browser itself.
    session: Option<String>,
    count: u64,
}

impl Browser {
    /// `None` where there is none.
    fn start(folder: &Path) -> Option<Self> {
        let program = BROWSERS.into_iter().find(|name| {
            let version = Command::new(name).arg("--version").stdout(Stdio::null()).status();
            version.is_ok_and(|status| status.success())
        })?;
        let pipes = ["orders", "reports"].map(|name| folder.join(name));
        assert!(Command::new("mkfifo").args(&pipes).status().unwrap().success());
        // its own numbers of files, 3 and 4, which a shell can give it
        let process = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<orders 4>reports", program])
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"])
            // a camera that is none, and a user who allows it
            .args(["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"])
            .arg(format!("--user-data-dir={}", folder.join("profile").display()))
            .stderr(Stdio::null())
            .current_dir(folder)
            .spawn()
            .unwrap();
        let orders = OpenOptions::new().write(true).open(&pipes[0]).unwrap();
        let reports = BufReader::new(File::open(&pipes[1]).unwrap());
        let mut browser = Self { process, orders, reports, session: None, count: 0 };
        let target = browser.order("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.order("Target.attachToTarget", &attach);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        Some(browser)
    }

    fn order(&mut self, method: &str, parameters: &Value) -> Value {
        self.count += 1;
        let mut order = json!({ "id": self.count, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            order["sessionId"] = json!(session);
        }
        write!(self.orders, "{order}\0").unwrap();
        loop {
            let mut report = vec![];
            self.reports.read_until(0, &mut report).unwrap();
            assert_eq!(report.pop(), Some(0), "the browser ended at {method}");
            let mut report: Value = serde_json::from_slice(&report).unwrap();
            if report["id"] == self.count {
                assert!(report.get("error").is_none(), "{method}: {report}");
                return report["result"].take();
            }
        }
    }

    /// What a script gives, after waiting for it if it promises something.
    fn evaluate(&mut self, script: &str) -> Value {
        let parameters =
            json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        let mut result = self.order("Runtime.evaluate", &parameters);
        assert!(result.get("exceptionDetails").is_none(), "{script}: {result}");
        result["result"]["value"].take()
    }

    fn text(&mut self, id: &str) -> String {
        let value = self.evaluate(&format!("document.getElementById('{id}').textContent"));
        value.as_str().unwrap().to_owned()
    }

    /// Draws a line through points of the page, as a mouse does.
    fn draw(&mut self, points: &[[f64; 2]]) {
        let kinds = std::iter::once("mousePressed").chain(std::iter::repeat("mouseMoved"));
        for ([x, y], kind) in points.iter().zip(kinds) {
            self.mouse(kind, *x, *y);
        }
        let [x, y] = points[points.len() - 1];
        self.mouse("mouseReleased", x, y);
    }

    fn mouse(&mut self, kind: &str, x: f64, y: f64) {
        let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1 });
        self.order("Input.dispatchMouseEvent", &event);
    }

    fn key(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            self.order("Input.dispatchKeyEvent", &json!({ "type": kind, "key": key }));
        }
    }

    /// Waits until a script gives true.
    fn wait(&mut self, script: &str) {
        for _ in 0..600 {
            if self.evaluate(script) == true {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        let message = self.text("message");
        panic!("never came: {script}; the page says {message:?}");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn numbers(values: &Value) -> Vec<f64> {
    values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

#[test]
#[ignore = "needs Chromium and a page; `tests/run` builds it and runs this"]
fn the_page_reads_what_is_drawn_and_gives_the_hosts_scores() {
    let named =
        |variable| env::var(variable).unwrap_or_else(|_| panic!("{variable} names no file"));
    let (page, quantized) = (named("PAGE"), named("PAGE_Q8"));
    let bytes = std::fs::metadata(&page).unwrap().len();
    assert!(bytes <= 2_600_000, "{bytes} bytes with both models");
    let folder = tempfile::tempdir().unwrap();
    let Some(mut browser) = Browser::start(folder.path()) else {
        println!("passed over: there is no Chromium (Debian's package `chromium`)");
        return;
    };
    let url = format!("file://{}", Path::new(&page).canonicalize().unwrap().display());
    browser.order("Page.navigate", &json!({ "url": url }));
    browser.wait("document.body?.dataset.ready === 'yes'");
    assert!(browser.text("about").contains("float and int8 of one model"));
    assert!(browser.text("float").starts_with("no digit: the picture is blank"));

    // a 7, by mouse
    let corner = browser.evaluate(
        "(() => { const { x, y } = get('picture').getBoundingClientRect(); return [x, y]; })()",
    );
    let corner = numbers(&corner);
    let on_page = |points: &[[f64; 2]]| -> Vec<[f64; 2]> {
        points.iter().map(|[x, y]| [x + corner[0], y + corner[1]]).collect()
    };
    browser.draw(&on_page(&[[80.0, 60.0], [190.0, 60.0], [160.0, 140.0], [130.0, 230.0]]));
    browser.wait("get('float').textContent.startsWith('7')");
    assert!(browser.text("float").starts_with("7, sure"), "{}", browser.text("float"));
    assert!(browser.text("int8").starts_with("7, sure"), "{}", browser.text("int8"));

    // a 1, by keys
    browser.evaluate("get('clear').click(), get('picture').focus(), true");
    browser.wait("get('float').textContent.startsWith('no digit')");
    (0..8).for_each(|_| browser.key("ArrowUp"));
    browser.key(" ");
    (0..16).for_each(|_| browser.key("ArrowDown"));
    browser.wait("get('float').textContent.startsWith('1')");
    assert!(browser.text("int8").starts_with('1'), "{}", browser.text("int8"));

    // what is no model and no picture has one sentence, and changes nothing
    for (name, sentence) in [("a.q8", "neither a .baked nor a .q8"), ("a.png", "is no picture")] {
        browser.evaluate(&format!("openFiles([new File(['nothing'], '{name}')])"));
        let message = browser.text("message");
        assert!(message.contains(sentence), "{name}: {message}");
    }
    assert!(browser.text("about").contains("float and int8 of one model"));

    // a picture by camera
    browser.evaluate("get('camera').click()");
    browser.wait("get('camera').textContent.startsWith('Take') && get('video').videoWidth > 0");
    browser.evaluate("get('camera').click()");
    browser.wait("get('camera').textContent === 'Camera' && get('video').hidden");
    let size = "paper.width === 640 && paper.height === 480 && !isBlank";
    assert_eq!(browser.evaluate(size), true, "{}", browser.evaluate("`${paper.width}`"));
    assert_eq!(browser.text("message"), "");

    // the host's scores
    let file = std::fs::read(&quantized).unwrap();
    let mut words = vec![0_u32; file.len().div_ceil(4)];
    let bytes = zerocopy::IntoBytes::as_mut_bytes(&mut words[..]);
    bytes[..file.len()].copy_from_slice(&file);
    let model = Model::parse(&bytes[..file.len()]).unwrap();
    let mut scratch = vec![0; model.scratch_words()];
    let classifier = Classifier::embedded();
    for image in &fixtures::mnist_500(Part::Test).images[..200] {
        let scores = browser.evaluate(&format!(
            "call('take', Uint8Array.from({:?})), answer(0).map(({{ logits }}) => Array.from(logits))",
            image.pixels()
        ));
        let (float, int8) = (numbers(&scores[0]), numbers(&scores[1]));
        let expected = classifier.predict(image).logits;
        assert_eq!(float.len(), expected.len());
        for (found, expected) in float.iter().zip(&expected) {
            assert!((found - f64::from(*expected)).abs() < 1e-4, "{found}, not {expected}");
        }
        let expected = model.infer(image.pixels(), &mut scratch).unwrap();
        assert!(int8.iter().copied().eq(expected.0.iter().map(|&logit| f64::from(logit))));
    }
}
