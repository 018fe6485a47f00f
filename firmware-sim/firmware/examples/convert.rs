use firmware::Model as Old;
use firmware::format::Packed;
use firmware::format::words::unpack;
use firmware::rows::format::*;
use firmware::rows::{Model, plan};
use zerocopy::FromZeros;
fn value(c: u16, h: u16, w: u16) -> Value {
    Value { channels: c.into(), height: h.into(), width: w.into(), scale: 1f32.to_bits().into(), ..Value::new_zeroed() }
}
// [out][in chw] -> blocks [block][tap hwc][4]
fn layer(packed: &impl Packed, c: usize, h: usize, w: usize) -> (Vec<Channel>, Vec<[i8; 4]>) {
    let outs = packed.channels().len() * 2;
    let taps = c * h * w;
    let mut plain = vec![0i16; outs * taps];
    for o in 0..packed.channels().len() {
        for (&word, inputs) in packed.words(o) {
            for (input, values) in inputs.into_iter().zip(unpack(word)) {
                let Some(i) = input else { continue };
                for (out, v) in (2 * o..).zip(values) { plain[out * taps + i] = v; }
            }
        }
    }
    let mut blocks = vec![];
    for b in 0..outs.div_ceil(4) {
        for y in 0..h { for x in 0..w { for ch in 0..c {
            blocks.push(std::array::from_fn(|o| { let o = b * 4 + o; if o < outs { plain[o * taps + (ch * h + y) * w + x] as i8 } else { 0 } }));
        }}}
    }
    let channels = packed.channels().as_flattened().iter().enumerate().map(|(o, ch)| {
        let bound = accumulator_bound(plain[o * taps..][..taps].iter().map(|&w| w as i8), ch.bias(), 0);
        Channel::new(ch.bias(), ch.multiplier(), bound as u32)
    }).collect();
    (channels, blocks)
}
fn main() {
    let bytes = std::fs::read("/tmp/base.q8").unwrap();
    let old = Old::parse(&bytes).unwrap();
    let f = old.file();
    let parts = [layer(&f.conv1, 1, 5, 5), layer(&f.conv2, 20, 5, 5), layer(&f.dense1, 50, 4, 4), layer(&f.dense2, 500, 1, 1)];
    let conv = |source: u8, out: Value, taps: usize, blocks: &[[i8; 4]]| { let mut r = Record::new_zeroed(); r.kind = Kind::Conv.code(); r.source = source; r.pooled = 1; r.kernel = [5; 2]; r.stride = [1; 2]; r.output = out; r.chunk = (plan::chunk(blocks, taps) as u16).into(); println!("chunk {}", r.chunk); r };
    let dense = |source: u8, n: u16| { let mut r = Record::new_zeroed(); r.kind = Kind::Dense.code(); r.source = source; r.kernel = [1; 2]; r.stride = [1; 2]; r.output = value(n, 1, 1); r };
    let mut records = [conv(0, value(20, 12, 12), 25, &parts[0].1), conv(1, value(50, 4, 4), 500, &parts[1].1), dense(2, 500), dense(3, 10)];
    let mut header = Header::new_zeroed();
    header.identity = f.identity;
    header.confidence_margin = f.confidence_margin;
    header.input = value(1, 28, 28);
    let packed: Vec<Vec<u8>> = parts.iter().map(|p| p.1.iter().flatten().map(|&w| w as u8).collect()).collect();
    let p: Vec<Part> = parts.iter().zip(&packed).map(|(a, w)| Part { channels: &a.0, weights: w }).collect();
    let mut file = vec![0; file_len(Layers { input: &header.input, records: &records }).unwrap()];
    emit(&mut header, &mut records, &p, &mut file).unwrap();
    let model = Model::parse(&file).unwrap();
    println!("{} bytes, scratch {} bytes; work at {} rows at {}", file.len(), model.scratch_words() * 4, model.header().work_at, model.header().rows_at);
    for n in 0..5 { let v = model.layers().value(n).unwrap(); println!("{n}: rows {} len {} offset {} life {:?}", v.rows, v.len(), v.offset, v.lifetime); }
    let mut scratch = vec![0; model.scratch_words()];
    let mut s2 = firmware::Scratch::new();
    let mut seed = 1u64;
    for _ in 0..200 {
        let image: [u8; 784] = std::array::from_fn(|_| { seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1); if seed >> 62 == 0 { (seed >> 40) as u8 } else { 0 } });
        assert_eq!(old.infer(&image, &mut s2).0[..], *model.infer(&image, &mut scratch).unwrap().0);
    }
    std::fs::write("/tmp/lenet3.q8", file).unwrap();
}
