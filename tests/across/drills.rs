//! Kills, full disks, read-only folders and rivals: whatever happens to a command that writes, each of its files is
//! whole, the old one, or not there.
//!
//! Moments are drawn from a seed, half over the whole run and half around its end, where files get their names.
//! The drill of `trainer` trains fifty times; it is run by
//! `cargo test --features training --test across drills -- --ignored --nocapture`.

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
        // what tests of commands need, the commands with it; as `cargo test` builds it, so that it is there already
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--no-run", "--quiet", "--offline", "--test", "hostile_paths"]);
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

/// Files by name, with what is in them.
type Files = BTreeMap<String, Vec<u8>>;

fn files(folder: &Path) -> Files {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let named = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()));
    named.collect()
}

/// A folder with what commands read, and one in it for what they write.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// A few images, of which some are misread; and two models that differ in a word of their metadata.
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        for (part, count) in [(Part::Train, 8), (Part::Test, 5)] {
            let split = crate::mnist_500(part);
            let (images, labels) = (&split.images[..count], &split.labels[..count]);
            fs::write(place.at(part.image_file()), idx::emit_images(images)).unwrap();
            fs::write(place.at(part.label_file()), idx::emit_labels(labels)).unwrap();
        }
        let pictures = (0..10).map(|digit| {
            let path = crate::data("digits").join(format!("mnist_{digit}.png"));
            format!("{},{}", path.display(), digit / 2)
        });
        let lines: Vec<String> = iter::once("path,label".to_owned()).chain(pictures).collect();
        fs::write(place.at("list.csv"), lines.join("\n")).unwrap();
        let mut other = EMBEDDED_MODEL.to_vec();
        let word = other.windows(5).position(|bytes| bytes == b"MNIST").unwrap();
        other[word..][..5].copy_from_slice(b"mnist");
        fs::write(place.at("one.onnx"), EMBEDDED_MODEL).unwrap();
        fs::write(place.at("other.onnx"), other).unwrap();
        fs::create_dir(place.out()).unwrap();
        undisturbed(place.quantize("one.onnx", &place.at("one.q8")));
        place
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

    fn report(&self, page: &Path) -> Command {
        let mut command = command("firmware-sim");
        command.arg("verify").arg("--model").arg(self.at("one.onnx"));
        command.arg("--quantized").arg(self.at("one.q8")).arg("--data").arg(self.folder.path());
        command.args(["--min-agreement", "0", "--report"]).arg(page);
        command
    }

    fn sheet(&self, sheet: &Path) -> Command {
        let mut command = command("runtime");
        command.args(["evaluate", "--images"]).arg(self.at("list.csv")).arg("--sheet").arg(sheet);
        command
    }
}

fn show(digits: &[u8], page: &Path) -> Command {
    let mut command = command("runtime");
    let pictures = digits.iter().map(|digit| format!("digits/mnist_{digit}.png"));
    command.arg("predict").args(pictures.map(|name| crate::data(&name)));
    command.arg("--show").arg(page);
    command
}

/// When to kill: half the time anywhere in a run, half around its end, which is found by what the kills meet.
struct Moments {
    run: Duration,
    random: StdRng,
    kills: usize,
}

impl Moments {
    fn of(run: Duration, seed: u64) -> Self {
        Self { run, random: StdRng::seed_from_u64(seed), kills: 0 }
    }

    fn next(&mut self) -> Duration {
        self.kills += 1;
        let from = if self.kills.is_multiple_of(2) { 0.9 } else { 0.0 };
        self.run.mul_f64(self.random.random_range(from..1.05))
    }

    fn was_over(&mut self, over: bool) {
        if self.kills.is_multiple_of(2) {
            self.run = self.run.mul_f64(if over { 0.95 } else { 1.05 });
        }
    }
}

/// Runs a command to its end; how long it took.
fn undisturbed(mut command: Command) -> Duration {
    let started = Instant::now();
    let output = command.stderr(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    started.elapsed()
}

/// Whether the run was over before it was killed.
fn kill_after(mut command: Command, moment: Duration) -> bool {
    let mut child = command.spawn().unwrap();
    thread::sleep(moment);
    child.kill().unwrap();
    child.wait().unwrap().success()
}

/// Takes away what a kill in the last step may leave, a whole file under a temporary name; how many there were.
fn take_leftovers(found: &mut Files, name: &str, whole: impl Fn(&[u8]) -> bool) -> usize {
    let start = format!(".{name}.");
    let is_temporary = |found: &str| found.len() == start.len() + 6 && found.starts_with(&start);
    let left: Files = found.extract_if(.., |name, _| is_temporary(name)).collect();
    assert!(left.values().all(|bytes| whole(bytes)), "{:?}", left.keys());
    left.len()
}

/// Kills a command that writes one file, again and again: over an old file, and where there is none.
fn drill(name: &str, seed: u64, old: &[u8], write: impl Fn(&Path) -> Command, place: &Place) {
    let path = place.out().join(name);
    undisturbed(write(&path)); // fills the system's caches
    let run = undisturbed(write(&path));
    let new = fs::read(&path).unwrap();
    assert_eq!(files(&place.out()).len(), 1);
    assert!(old != new);
    let (mut over, mut written, mut left) = (0, 0, 0);
    let mut moments = Moments::of(run, seed);
    for kill in 0..KILLS {
        let moment = moments.next();
        fs::remove_dir_all(place.out()).unwrap();
        fs::create_dir(place.out()).unwrap();
        let before = if kill % 4 < 2 {
            Files::from([(name.to_owned(), old.to_vec())])
        } else {
            Files::new()
        };
        for (name, bytes) in &before {
            fs::write(place.out().join(name), bytes).unwrap();
        }
        let ended = kill_after(write(&path), moment);
        moments.was_over(ended);
        let mut found = files(&place.out());
        left += take_leftovers(&mut found, name, |bytes| bytes == new);
        let after = Files::from([(name.to_owned(), new.clone())]);
        assert!(found == after || (found == before && !ended), "kill {kill} at {moment:?}");
        over += usize::from(ended);
        written += usize::from(found == after);
    }
    println!(
        "{name}: {KILLS} kills within {run:.0?}: {written} new files of {over} runs that were over, \
         {} as before, {left} left under a temporary name",
        KILLS - written
    );
    // the moments meant something
    assert!(over < KILLS && written > 0);
}

#[test]
fn a_killed_quantize_leaves_a_whole_model_or_none() {
    let place = Place::new();
    drill("lenet.q8", 1, b"old", |path| place.quantize("one.onnx", path), &place);
}

#[test]
fn a_killed_predict_leaves_a_whole_page_or_none() {
    let place = Place::new();
    let old = place.at("old.png");
    undisturbed(show(&[3], &old));
    let old = fs::read(old).unwrap();
    drill("page.png", 2, &old, |path| show(&[4, 5, 6], path), &place);
}

#[test]
fn a_killed_evaluate_leaves_a_whole_sheet_or_none() {
    let place = Place::new();
    let old = place.at("old.png");
    undisturbed(show(&[3], &old));
    let old = fs::read(old).unwrap();
    drill("sheet.png", 3, &old, |path| place.sheet(path), &place);
}

#[test]
fn a_killed_verify_leaves_a_whole_report_or_none() {
    let place = Place::new();
    drill("report.html", 4, b"old", |path| place.report(path), &place);
}

#[test]
fn of_two_that_write_one_file_one_has_its_whole_file_there() {
    let place = Place::new();
    let models = ["one.onnx", "other.onnx"];
    let [one, other] = models.map(|model| {
        let path = place.at("alone.q8");
        undisturbed(place.quantize(model, &path));
        fs::read(path).unwrap()
    });
    assert!(one != other);
    let path = place.out().join("lenet.q8");
    for _ in 0..10 {
        let rivals = models.map(|model| place.quantize(model, &path).spawn().unwrap());
        for mut rival in rivals {
            assert!(rival.wait().unwrap().success());
        }
        let found = files(&place.out());
        assert_eq!(found.len(), 1);
        assert!(found["lenet.q8"] == one || found["lenet.q8"] == other);
    }
}

/// What the commands write, over these files, which are `old`.
fn writers(place: &Place, folder: &Path) -> [(PathBuf, Command); 4] {
    let names = ["lenet.q8", "page.png", "sheet.png", "report.html"];
    let [model, page, sheet, report] = names.map(|name| folder.join(name));
    let commands = [
        place.quantize("one.onnx", &model),
        show(&[4, 5, 6], &page),
        place.sheet(&sheet),
        place.report(&report),
    ];
    let mut commands = commands.into_iter();
    [model, page, sheet, report].map(|path| (path, commands.next().unwrap()))
}

/// A script that runs `command` as its arguments.
fn scripted(shell: &mut Command, script: &str, folder: &Path, command: &Command) -> Output {
    shell.args(["sh", "-c", script]).arg(folder).arg(command.get_program());
    shell.args(command.get_args()).stdin(Stdio::null()).output().unwrap()
}

fn is_refusal(output: &Output, path: &Path, reason: &str) {
    let complaint = text(&output.stderr);
    assert!(complaint.contains("error: cannot write"), "{complaint}");
    assert!(
        complaint.contains(path.to_str().unwrap()) && complaint.contains(reason),
        "{complaint}"
    );
}

#[test]
fn files_that_may_not_grow_are_refused_and_what_was_there_stays() {
    let place = Place::new();
    let old = place.at("old.png");
    undisturbed(show(&[3], &old));
    for (path, command) in writers(&place, &place.out()) {
        fs::copy(&old, &path).unwrap();
        // at most 2 KiB, or 4, told by an error rather than a signal
        let script = "trap '' XFSZ; ulimit -f 4; exec \"$@\"";
        let output = scripted(&mut Command::new("env"), script, &place.out(), &command);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        is_refusal(&output, &path, "File too large");
        assert!(fs::read(&path).unwrap() == fs::read(&old).unwrap());
    }
    assert_eq!(files(&place.out()).len(), 4);
}

/// Runs the commands where `mount` made a file system at the folder, after `old` was copied to where they write. The file
/// system ends with each command, as only that sees it.
fn on_a_file_system(options: &str, after_copying: &str, reason: &str) {
    let place = Place::new();
    let old = place.at("old.png");
    undisturbed(show(&[3], &old));
    let mounts = ["--mount", "--map-root-user"];
    let mut may = Command::new("unshare");
    may.args(mounts).args(["mount", "-t", "tmpfs", "none"]).arg(place.out());
    if !may.output().is_ok_and(|output| output.status.success()) {
        println!("passed over: this machine does not let its users mount a tmpfs");
        return;
    }
    for (path, command) in writers(&place, &place.out()) {
        let (new, old) = (path.display(), old.display());
        let script = format!(
            "mount -t tmpfs -o {options} none \"$0\" && cp '{old}' '{new}' && {after_copying} || exit 99
             \"$@\"; code=$?; cmp '{old}' '{new}' && test \"$(ls -A \"$0\" | wc -l)\" = 1 || exit 98; exit $code"
        );
        let mut shell = Command::new("unshare");
        let output = scripted(shell.args(mounts), &script, &place.out(), &command);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        is_refusal(&output, &path, reason);
    }
}

#[test]
fn a_full_disk_is_told_and_what_was_there_stays() {
    // the old page, and 8 KiB
    let size = "size=$(($(wc -c < \"$0/../old.png\") / 4096 * 4 + 12))k";
    on_a_file_system(size, "true", "No space left on device");
}

#[test]
fn a_read_only_disk_is_told_and_what_was_there_stays() {
    on_a_file_system("size=1m", "mount -o remount,ro \"$0\"", "Read-only file system");
}

/// A short training.
#[cfg(feature = "training")]
fn training(out: &Path) -> Command {
    let mut command = command("trainer");
    command.args(["--recipe", "original", "--epochs", "2", "--batch-size", "128"]);
    command.args(["--device", "cpu", "--threads", "1", "--data"]).arg(crate::data("mnist-500"));
    command.arg("--export").arg(out.join("lenet.onnx"));
    command
}

/// The same, writing all that can be written.
#[cfg(feature = "training")]
fn telling(out: &Path) -> Command {
    let mut command = training(out);
    for (option, name) in
        [("--json", "history.jsonl"), ("--report", "report.html"), ("--plots", "plots")]
    {
        command.arg(option).arg(out.join(name));
    }
    command
}

/// All that a training has written so far, and how many files a kill left under temporary names; the checkpoint,
/// which says whether there is something to resume, is none of them.
#[cfg(feature = "training")]
fn trained(out: &Path) -> (Files, usize) {
    let mut found = Files::new();
    for folder in [out, &out.join("plots")] {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found.remove("lenet.checkpoint");
    let count = found.len();
    found.retain(|name, _| !name.starts_with('.'));
    let left = count - found.len();
    (found, left)
}

/// The same file as in an undisturbed run, but for the times in it.
#[cfg(feature = "training")]
fn is_whole(name: &str, found: &[u8], reference: &Files) -> bool {
    match name {
        "history.jsonl" => {
            let lines = text(found);
            lines.ends_with("}\n") && lines.lines().count() == 2
        }
        "report.html" => text(found).ends_with("</html>\n"),
        name => reference[name] == found,
    }
}

#[cfg(feature = "training")]
#[test]
#[ignore = "trains a hundred times; the module says how to run it"]
fn a_killed_training_leaves_whole_files_and_goes_on_to_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let afresh = || {
        let _ = fs::remove_dir_all(&out);
        fs::create_dir(&out).unwrap();
    };
    afresh();
    undisturbed(telling(&out));
    afresh();
    let run = undisturbed(telling(&out));
    let (reference, _) = trained(&out);
    assert_eq!(reference.len(), 3 + 10);
    let (mut over, mut resumed, mut left) = (0, 0, 0);
    let mut moments = Moments::of(run, 4);
    for kill in 0..KILLS {
        let moment = moments.next();
        afresh();
        let ended = kill_after(telling(&out), moment);
        moments.was_over(ended);
        over += usize::from(ended);
        let (found, temporary) = trained(&out);
        left += temporary;
        for (name, bytes) in &found {
            assert!(is_whole(name, bytes, &reference), "{name} after kill {kill} at {moment:?}");
        }
        let mut again = training(&out);
        if out.join("lenet.checkpoint").exists() {
            again.arg("--resume");
            resumed += 1;
        }
        undisturbed(again);
        let (found, _) = trained(&out);
        assert!(found["lenet.onnx"] == reference["lenet.onnx"], "gone on after kill {kill}");
        assert!(!out.join("lenet.checkpoint").exists());
    }
    println!(
        "trainer: {KILLS} kills within {run:.0?}: {over} runs were over, {resumed} had a checkpoint to go on from, \
         {left} files left under a temporary name; all ended in the same model"
    );
    assert!(over < KILLS && resumed > 0);
}
