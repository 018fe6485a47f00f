//! Kills, full disks, read-only folders and concurrent writers: after each, every file that a command writes is the
//! whole new one, the old one, or absent.
//!
//! Kill times come from a seeded rng: half over the whole run, half around its end, where files get their names.
//! Kills of `trainer` train a hundred times, so that test is ignored; run it with
//! `cargo test --workspace --features lenet-tests/training --test integration crash_safety -- --ignored --nocapture`.

#[cfg(feature = "training")]
#[path = "crash_safety/training.rs"]
mod training; // a training, which can be resumed

use std::collections::BTreeMap;
use std::fs;
use std::iter;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use dataset::idx;
use dataset::idx::Part;
use fixtures::protobuf::replaced;
use fixtures::{data, mnist_500};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use runtime::EMBEDDED_MODEL;

const KILLS: usize = 50;

/// A command of the workspace, built as these tests are.
fn command(name: &str) -> Command {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let folder = test.ancestors().nth(2).unwrap();
        let profile = folder.file_name().unwrap().to_str().unwrap();
        // builds the commands, which their tests need; with the arguments of `tests/run`, so that cargo finds them built
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--no-run", "--quiet", "--offline", "--test", "command"]);
        if cfg!(feature = "training") {
            cargo.args(["--workspace", "--features", "lenet-tests/training"]);
        }
        if profile != "debug" {
            cargo.args(["--profile", profile]);
        }
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.env("CARGO_TARGET_DIR", folder.parent().unwrap());
        let output = cargo.output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        folder.to_owned()
    });
    let mut command = Command::new(folder.join(name));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Content of files by name.
type Files = BTreeMap<String, Vec<u8>>;

fn files(folder: &Path) -> Files {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let named = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()));
    named.collect()
}

/// A folder with the inputs of commands, and a folder in it for their outputs.
struct Sandbox {
    folder: tempfile::TempDir,
}

impl Sandbox {
    /// Holds a few images, of which some have wrong labels, and two models that differ in a word of their metadata.
    fn new() -> Self {
        let sandbox = Self { folder: tempfile::tempdir().unwrap() };
        for (part, count) in [(Part::Train, 8), (Part::Test, 5)] {
            let split = mnist_500(part);
            let (images, labels) = (&split.images[..count], &split.labels[..count]);
            fs::write(sandbox.at(part.image_file()), idx::emit_images(images)).unwrap();
            fs::write(sandbox.at(part.label_file()), idx::emit_labels(labels)).unwrap();
        }
        let pictures = (0..10).map(|digit| {
            let path = data("digits").join(format!("mnist_{digit}.png"));
            format!("{},{}", path.display(), digit / 2)
        });
        let lines: Vec<String> = iter::once("path,label".to_owned()).chain(pictures).collect();
        fs::write(sandbox.at("list.csv"), lines.join("\n")).unwrap();
        let other = replaced(EMBEDDED_MODEL, b"MNIST", b"mnist");
        fs::write(sandbox.at("one.onnx"), EMBEDDED_MODEL).unwrap();
        fs::write(sandbox.at("other.onnx"), other).unwrap();
        fs::create_dir(sandbox.out()).unwrap();
        run_to_end(sandbox.quantize("one.onnx", &sandbox.at("one.q8")));
        sandbox
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn out(&self) -> PathBuf {
        self.at("out")
    }

    fn quantize(&self, model: &str, output: &Path) -> Command {
        let mut command = command("firmware-sim");
        command.arg("quantize").arg(self.at(model)).arg("--data").arg(self.folder.path());
        command.arg("--output").arg(output);
        command
    }

    fn report(&self, min_agreement: &str, page: &Path) -> Command {
        let mut command = command("firmware-sim");
        command.arg("verify").arg("--model").arg(self.at("one.onnx"));
        command.arg("--quantized").arg(self.at("one.q8")).arg("--data").arg(self.folder.path());
        command.args(["--min-agreement", min_agreement, "--report"]).arg(page);
        command
    }

    fn contact_sheet(&self, sheet: &Path) -> Command {
        let mut command = command("runtime");
        command.args(["evaluate", "--images"]).arg(self.at("list.csv")).arg("--sheet").arg(sheet);
        command
    }

    /// A file with what a command wrote earlier under this name, so that it may replace it.
    fn old(&self, name: &str) -> PathBuf {
        let path = self.at(&format!("old-{name}"));
        match name {
            "lenet.q8" => run_to_end(self.quantize("other.onnx", &path)),
            "report.html" => run_to_end(self.report("0.1", &path)),
            _ => run_to_end(picture_page(&[3], &path)),
        };
        path
    }
}

fn picture_page(digits: &[u8], page: &Path) -> Command {
    let mut command = command("runtime");
    let pictures = digits.iter().map(|digit| format!("digits/mnist_{digit}.png"));
    command.arg("predict").args(pictures.map(|name| data(&name)));
    command.arg("--show").arg(page);
    command
}

/// When to kill: every other time anywhere in a run, else around its end, whose estimate follows what the kills hit.
struct KillTimes {
    run: Duration,
    rng: StdRng,
    kills: usize,
}

impl KillTimes {
    fn new(run: Duration, seed: u64) -> Self {
        Self { run, rng: StdRng::seed_from_u64(seed), kills: 0 }
    }

    fn next(&mut self) -> Duration {
        self.kills += 1;
        let from = if self.kills.is_multiple_of(2) { 0.9 } else { 0.0 };
        self.run.mul_f64(self.rng.random_range(from..1.05))
    }

    fn record(&mut self, ended: bool) {
        if self.kills.is_multiple_of(2) {
            self.run = self.run.mul_f64(if ended { 0.95 } else { 1.05 });
        }
    }
}

/// Runs a command to its end, and returns its duration.
fn run_to_end(mut command: Command) -> Duration {
    let started = Instant::now();
    let output = command.stderr(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    started.elapsed()
}

/// Kills a command after `delay`; whether it had finished before.
fn kill_after(mut command: Command, delay: Duration) -> bool {
    let mut child = command.spawn().unwrap();
    thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap().success()
}

/// Removes what a kill in the last step may leave, whole files under temporary names, and returns their number.
fn remove_leftovers(found: &mut Files, name: &str, whole: impl Fn(&[u8]) -> bool) -> usize {
    let start = format!(".{name}.");
    let is_temporary = |found: &str| found.len() == start.len() + 6 && found.starts_with(&start);
    let left: Files = found.extract_if(.., |name, _| is_temporary(name)).collect();
    assert!(left.values().all(|bytes| whole(bytes)), "{:?}", left.keys());
    left.len()
}

/// Kills a command that writes one file [`KILLS`] times: over an old file, and where there is none.
fn crash_test(name: &str, seed: u64, write: impl Fn(&Path) -> Command, sandbox: &Sandbox) {
    let path = sandbox.out().join(name);
    let old = fs::read(sandbox.old(name)).unwrap();
    run_to_end(write(&path)); // fills the system's caches
    let new = fs::read(&path).unwrap();
    fs::write(&path, &old).unwrap();
    let run = run_to_end(write(&path));
    assert!(old != new && fs::read(&path).unwrap() == new);
    assert_eq!(files(&sandbox.out()).len(), 1);
    let (mut finished, mut written, mut left) = (0, 0, 0);
    let mut kill_times = KillTimes::new(run, seed);
    for kill in 0..KILLS {
        let delay = kill_times.next();
        fs::remove_dir_all(sandbox.out()).unwrap();
        fs::create_dir(sandbox.out()).unwrap();
        let mut before = Files::new();
        if kill % 4 < 2 {
            fs::write(&path, &old).unwrap();
            before.insert(name.to_owned(), old.clone());
        }
        let ended = kill_after(write(&path), delay);
        kill_times.record(ended);
        let mut found = files(&sandbox.out());
        left += remove_leftovers(&mut found, name, |bytes| bytes == new);
        let after = Files::from([(name.to_owned(), new.clone())]);
        assert!(found == after || (found == before && !ended), "kill {kill} at {delay:?}");
        finished += usize::from(ended);
        written += usize::from(found == after);
    }
    println!(
        "{name}: {KILLS} kills within {run:.0?}: {written} new files, {finished} runs had finished, \
         {} left as before, {left} files under a temporary name",
        KILLS - written
    );
    // some kills came before the end, and some runs had written their file
    assert!(finished < KILLS && written > 0);
}

#[test]
fn a_killed_quantize_leaves_a_whole_model_or_none() {
    let sandbox = Sandbox::new();
    crash_test("lenet.q8", 1, |path| sandbox.quantize("one.onnx", path), &sandbox);
}

#[test]
fn a_killed_predict_leaves_a_whole_page_or_none() {
    let sandbox = Sandbox::new();
    crash_test("page.png", 2, |path| picture_page(&[4, 5, 6], path), &sandbox);
}

#[test]
fn a_killed_evaluate_leaves_a_whole_sheet_or_none() {
    let sandbox = Sandbox::new();
    crash_test("sheet.png", 3, |path| sandbox.contact_sheet(path), &sandbox);
}

#[test]
fn a_killed_verify_leaves_a_whole_report_or_none() {
    let sandbox = Sandbox::new();
    crash_test("report.html", 4, |path| sandbox.report("0", path), &sandbox);
}

#[test]
fn concurrent_writers_of_one_file_leave_one_whole_file() {
    let sandbox = Sandbox::new();
    let models = ["one.onnx", "other.onnx"];
    let [one, other] = models.map(|model| {
        let path = sandbox.at("reference.q8");
        run_to_end(sandbox.quantize(model, &path));
        fs::read(path).unwrap()
    });
    assert!(one != other);
    let path = sandbox.out().join("lenet.q8");
    for _ in 0..10 {
        let writers = models.map(|model| sandbox.quantize(model, &path).spawn().unwrap());
        for mut writer in writers {
            assert!(writer.wait().unwrap().success());
        }
        let found = files(&sandbox.out());
        assert_eq!(found.len(), 1);
        assert!(found["lenet.q8"] == one || found["lenet.q8"] == other);
    }
}

/// A command that writes a file, where it writes it, and an old one that it may replace.
struct Writer {
    command: Command,
    path: PathBuf,
    old: PathBuf,
}

/// All of them.
fn writers(sandbox: &Sandbox) -> [Writer; 4] {
    ["lenet.q8", "page.png", "sheet.png", "report.html"].map(|name| {
        let path = sandbox.out().join(name);
        let command = match name {
            "lenet.q8" => sandbox.quantize("one.onnx", &path),
            "page.png" => picture_page(&[4, 5, 6], &path),
            "sheet.png" => sandbox.contact_sheet(&path),
            _ => sandbox.report("0", &path),
        };
        Writer { command, path, old: sandbox.old(name) }
    })
}

/// Runs a shell script that gets `command` as its arguments, and the folder as `$0`.
fn run_script(shell: &mut Command, script: &str, folder: &Path, command: &Command) -> Output {
    shell.args(["sh", "-c", script]).arg(folder).arg(command.get_program());
    shell.args(command.get_args()).stdin(Stdio::null()).output().unwrap()
}

fn assert_refusal(output: &Output, path: &Path, reason: &str) {
    let message = text(&output.stderr);
    assert!(message.contains("error: cannot write"), "{message}");
    assert!(message.contains(path.to_str().unwrap()) && message.contains(reason), "{message}");
}

#[test]
fn a_limit_on_file_size_is_reported_and_the_old_file_stays() {
    let sandbox = Sandbox::new();
    for Writer { command, path, old } in writers(&sandbox) {
        fs::copy(&old, &path).unwrap();
        // at most 2 KiB, or 4 in some shells; an error rather than a signal
        let script = "trap '' XFSZ; ulimit -f 4; exec \"$@\"";
        let output = run_script(&mut Command::new("env"), script, &sandbox.out(), &command);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        assert_refusal(&output, &path, "File too large");
        assert!(fs::read(&path).unwrap() == fs::read(&old).unwrap());
    }
    assert_eq!(files(&sandbox.out()).len(), 4);
}

/// Runs each command on a tmpfs with these mount options that holds an old file, after the script `after_copying`, and
/// expects a refusal that names `reason`. Each tmpfs ends with its command: only that one sees it.
fn on_a_file_system(options: &str, after_copying: &str, reason: &str) {
    let sandbox = Sandbox::new();
    let mounts = ["--mount", "--map-root-user"];
    let mut attempt = Command::new("unshare");
    attempt.args(mounts).args(["mount", "-t", "tmpfs", "none"]).arg(sandbox.out());
    if !attempt.output().is_ok_and(|output| output.status.success()) {
        println!("skipped: this machine does not let its users mount a tmpfs");
        return;
    }
    for Writer { command, path, old } in writers(&sandbox) {
        let (new, old) = (path.display(), old.display());
        let script = format!(
            "old='{old}'; mount -t tmpfs -o {options} none \"$0\" && cp '{old}' '{new}' && {after_copying} || exit 99
             \"$@\"; code=$?; cmp '{old}' '{new}' && test \"$(ls -A \"$0\" | wc -l)\" = 1 || exit 98; exit $code"
        );
        let mut shell = Command::new("unshare");
        let output = run_script(shell.args(mounts), &script, &sandbox.out(), &command);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        assert_refusal(&output, &path, reason);
    }
}

#[test]
fn a_full_disk_is_reported_and_the_old_file_stays() {
    // the old file, and 8 KiB
    let size = "size=$(($(wc -c < \"$old\") / 4096 * 4 + 12))k";
    on_a_file_system(size, "true", "No space left on device");
}

#[test]
fn a_read_only_disk_is_reported_and_the_old_file_stays() {
    on_a_file_system("size=1m", "mount -o remount,ro \"$0\"", "Read-only file system");
}
