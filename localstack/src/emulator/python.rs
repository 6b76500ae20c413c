//! Python, with exactly the packages that a program needs: a virtual environment for each file of requirements.

use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::emulator::program::{run, said_last};
use crate::terminal::progress::{Progress, Step};
use crate::workspace::{Workspace, make_private};

/// The oldest Python that our programs run on.
const OLDEST: (u32, u32) = (3, 10);

/// Tried in this order: the one that the user has chosen comes first.
const NAMES: [&str; 7] = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python"];

/// Prints the version, then whether virtual environments can be made; Debian packages their two modules apart.
const QUESTIONS: &str = "\
import importlib.util as u, sys
print(*sys.version_info[:2], all(u.find_spec(m) for m in ('venv', 'ensurepip')))";

const LOCK_POLL: Duration = Duration::from_millis(100);

/// Failure to prepare Python for a program.
#[derive(Debug, thiserror::Error)]
pub enum PythonError {
    /// None at all.
    #[error("Python {}.{} or newer is needed: there is no python3 on the PATH", OLDEST.0, OLDEST.1)]
    Missing,
    /// Only older ones.
    #[error("Python {}.{} or newer is needed: {name} is {}.{}", OLDEST.0, OLDEST.1, version.0, version.1)]
    TooOld {
        /// The first found.
        name: &'static str,
        /// Its version.
        version: (u32, u32),
    },
    /// The right Python, without its modules for virtual environments.
    #[error(
        "{name} cannot make virtual environments: install its venv module (Debian, Ubuntu: apt install python3-venv)"
    )]
    NoVenv {
        /// The program.
        name: &'static str,
    },
    /// `python -m venv` failed.
    #[error("cannot make the virtual environment: {0}")]
    Venv(String),
    /// `pip install` failed.
    #[error("pip cannot install {}: {last_line} (all of it: {})", requirements.display(), log.display())]
    Pip {
        /// Packages that were to be installed.
        requirements: PathBuf,
        /// Last line of pip.
        last_line: String,
        /// Everything that it said.
        log: PathBuf,
    },
    /// A file of the environment.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
}

/// The Python program of a virtual environment.
#[derive(Clone, Debug)]
pub struct Python {
    program: PathBuf,
}

struct Interpreter {
    name: &'static str,
    version: (u32, u32),
    makes_venvs: bool,
}

impl Python {
    /// The emulator's, in `.local/venv`.
    pub(crate) async fn of_the_emulator(workspace: &Workspace, progress: Progress) -> Result<Self, PythonError> {
        Self::prepare("venv", &workspace.requirements(), progress).await
    }

    /// The environment of that name in `.local`, made first if it is missing or the file of requirements has changed.
    /// Each package has to be in that file, with its hash.
    ///
    /// # Errors
    ///
    /// There is no Python that can make one, or the packages cannot be installed.
    pub async fn prepare(name: &str, requirements: &Path, progress: Progress) -> Result<Self, PythonError> {
        let environment = Environment::of(name, requirements);
        let python = Self { program: environment.dir.join("bin/python") };
        let _lock = environment.lock().await?;
        if environment.is_current(&python) {
            return Ok(python);
        }
        let step = progress.step("python");
        let interpreter = find_interpreter().await?;
        environment.make(&interpreter, &python, &step).await?;
        step.done(&format!("{} → .local/{name}", interpreter.name));
        Ok(python)
    }

    /// Path of the program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }
}

/// Virtual environment, as it has to be.
struct Environment {
    dir: PathBuf,
    requirements: PathBuf,
    /// The requirements that are installed. Written last: without it the environment is made again.
    stamp: PathBuf,
    log: PathBuf,
    lock: PathBuf,
}

impl Environment {
    fn of(name: &str, requirements: &Path) -> Self {
        let local = Workspace::of_this_crate().local_dir();
        let dir = local.join(name);
        Self {
            requirements: requirements.to_owned(),
            stamp: dir.join("installed.txt"),
            log: local.join(format!("{name}.log")),
            lock: local.join(format!("{name}.lock")),
            dir,
        }
    }

    /// Two first runs side by side must not make it at once.
    async fn lock(&self) -> Result<File, PythonError> {
        let failed = |source| PythonError::File { path: self.lock.clone(), source };
        if let Some(parent) = self.lock.parent() {
            make_private(parent).map_err(failed)?;
        }
        let file = File::create(&self.lock).map_err(failed)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_POLL).await,
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
    }

    fn is_current(&self, python: &Python) -> bool {
        // `exists` follows the link to the system's Python, which an update may have removed.
        python.program.exists()
            && matches!((fs::read(&self.requirements), fs::read(&self.stamp)), (Ok(wanted), Ok(made)) if wanted == made)
    }

    async fn make(&self, interpreter: &Interpreter, python: &Python, step: &Step) -> Result<(), PythonError> {
        let _absent = fs::remove_dir_all(&self.dir);
        step.at("making a virtual environment");
        // `venv` would install pip as well, and keep to itself what that says when it fails.
        let mut venv = Command::new(interpreter.name);
        venv.args(["-m", "venv", "--without-pip"]).arg(&self.dir);
        run(venv, |_| ()).await.map_err(|lines| PythonError::Venv(said_last(&lines)))?;
        let mut ensurepip = Command::new(&python.program);
        ensurepip.args(["-m", "ensurepip", "--upgrade", "--default-pip"]);
        run(ensurepip, |_| ()).await.map_err(|lines| PythonError::Venv(said_last(&lines)))?;

        let mut pip = Command::new(&python.program);
        pip.args(["-m", "pip", "install", "--require-hashes", "--no-input", "--disable-pip-version-check"])
            .args(["--progress-bar", "off", "-r"])
            .arg(&self.requirements);
        let show = |line: &str| summary_of_pip(line).into_iter().for_each(|summary| step.at(summary));
        run(pip, show).await.map_err(|lines| self.pip_error(&lines))?;

        fs::copy(&self.requirements, &self.stamp)
            .map_err(|source| PythonError::File { path: self.stamp.clone(), source })?;
        Ok(())
    }

    fn pip_error(&self, lines: &VecDeque<String>) -> PythonError {
        let text: Vec<&str> = lines.iter().map(String::as_str).collect();
        let _unwritten = fs::write(&self.log, text.join("\n"));
        let requirements = self.requirements.clone();
        PythonError::Pip { requirements, last_line: said_last(lines), log: self.log.clone() }
    }
}

/// The package that pip is at, from a line such as `Collecting h2==4.4.1 (from -r requirements.txt (line 9))`.
fn summary_of_pip(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    match (words.next()?, words.next()?) {
        ("Collecting", package) => Some(format!("downloading {package}")),
        ("Installing", _) => Some("installing".to_owned()),
        _ => None,
    }
}

async fn find_interpreter() -> Result<Interpreter, PythonError> {
    let mut too_old: Option<Interpreter> = None;
    let mut without_venv = None;
    for name in NAMES {
        match ask(name).await {
            Some(found) if found.version >= OLDEST && found.makes_venvs => return Ok(found),
            Some(found) if found.version >= OLDEST => without_venv = without_venv.or(Some(found.name)),
            Some(found) => too_old = too_old.or(Some(found)),
            None => {}
        }
    }
    Err(match (without_venv, too_old) {
        (Some(name), _) => PythonError::NoVenv { name },
        (None, Some(old)) => PythonError::TooOld { name: old.name, version: old.version },
        (None, None) => PythonError::Missing,
    })
}

/// Version and abilities of the program of this name; `None` if it is no Python.
async fn ask(name: &'static str) -> Option<Interpreter> {
    let output = Command::new(name).args(["-c", QUESTIONS]).stdin(Stdio::null()).output().await.ok()?;
    let answer = String::from_utf8(output.stdout).ok()?;
    let mut words = answer.split_whitespace();
    let version = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Interpreter { name, version, makes_venvs: words.next()? == "True" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pip_is_summed_up() {
        for (line, expected) in [
            ("Collecting h2==4.4.1 (from -r requirements.txt (line 9))", Some("downloading h2==4.4.1")),
            ("  Downloading h2-4.4.1-py3-none-any.whl (57 kB)", None),
            ("Ignoring tomli: markers don't match your environment", None),
            ("Installing collected packages: h2, hpack", Some("installing")),
        ] {
            assert_eq!(summary_of_pip(line).as_deref(), expected, "{line}");
        }
    }
}
