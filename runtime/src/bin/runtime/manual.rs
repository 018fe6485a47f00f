//! What shells and manuals know of this command, from the same definitions as its help.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::Cli;

/// Prints a shell's completions.
pub(crate) fn completions(shell: Shell) -> anyhow::Result<ExitCode> {
    // the generators panic where they cannot write
    let mut script = vec![];
    clap_complete::generate(shell, &mut Cli::command(), "runtime", &mut script);
    io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints one manual page, of the command and then of each of its subcommands.
pub(crate) fn page() -> anyhow::Result<ExitCode> {
    let mut command = Cli::command();
    // so that they are called `runtime predict`, and have the options that all have
    command.build();
    let mut page = vec![];
    let manual = Man::new(command.clone());
    manual.render_title(&mut page)?;
    manual.render_name_section(&mut page)?;
    manual.render_synopsis_section(&mut page)?;
    manual.render_description_section(&mut page)?;
    manual.render_options_section(&mut page)?;
    for subcommand in command.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = format!("runtime {}", subcommand.get_name());
        let manual = Man::new(subcommand.clone());
        writeln!(page, ".SH \"{}\"", name.to_uppercase())?;
        if let Some(about) = subcommand.get_about() {
            writeln!(page, "{about}.")?;
        }
        let mut rest = vec![];
        manual.render_synopsis_section(&mut rest)?;
        manual.render_options_section(&mut rest)?;
        let rest = String::from_utf8(rest)?;
        // each has the definition of an apostrophe, which the page has already
        let is_new = |line: &&str| !line.starts_with(".ie ") && !line.starts_with(".el ");
        for line in rest.lines().filter(is_new) {
            // sections of a page are subsections here
            writeln!(page, "{}", line.replace(".SH ", ".SS "))?;
        }
    }
    manual.render_version_section(&mut page)?;
    io::stdout().write_all(&page)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_has_completions_of_every_subcommand() {
        for shell in Shell::value_variants() {
            let mut script = vec![];
            clap_complete::generate(*shell, &mut Cli::command(), "runtime", &mut script);
            let script = String::from_utf8(script).unwrap();
            for part in ["predict", "evaluate", "inspect", "bake", "bench", "find-normalization"] {
                assert!(script.contains(part), "{part} for {shell}");
            }
        }
    }
}
