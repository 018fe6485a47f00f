//! Which folder `--data` means, and whether MNIST may be fetched into it.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use runtime::labelled::Summary;
use safe_io::default_data_folder;
use trainer::data::{self, Dataset, Lacking, pictures};

/// A folder that was named is only read, so that a typing mistake fetches nothing; ours is filled with MNIST.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DataFolder<'a> {
    /// The user's own, shared by all clones.
    Default,
    Named {
        folder: &'a Path,
        /// With `--download`.
        may_fetch: bool,
    },
}

impl<'a> DataFolder<'a> {
    pub(crate) fn of(named: Option<&'a Path>, download: bool) -> Self {
        named.map_or(Self::Default, |folder| Self::Named { folder, may_fetch: download })
    }

    pub(crate) fn path(self) -> anyhow::Result<PathBuf> {
        match self {
            Self::Default => {
                default_data_folder().context("there is no home folder: say --data DIR")
            }
            Self::Named { folder, .. } => Ok(folder.to_owned()),
        }
    }

    pub(crate) fn may_fetch(self) -> bool {
        !matches!(self, Self::Named { may_fetch: false, .. })
    }

    /// The dataset, and what was found, if it was made of pictures.
    pub(crate) fn load(
        self,
        options: pictures::Options,
    ) -> anyhow::Result<(Dataset, Option<Summary>)> {
        let path = self.path()?;
        if matches!(self, Self::Named { may_fetch: false, .. }) && pictures::is_meant(&path) {
            let (dataset, summary) = pictures::read(&path, options, |_| ())?;
            return Ok((dataset, Some(summary)));
        }
        let usual = pictures::Options::default();
        if options != (pictures::Options { seed: options.seed, divided: options.divided, ..usual })
        {
            bail!("--size, --color and --fit are for pictures: IDX files have their size");
        }
        Ok((self.load_idx()?, None))
    }

    fn load_idx(self) -> anyhow::Result<Dataset> {
        let folder = self.path()?;
        if self.may_fetch() {
            return data::load_or_fetch(&folder);
        }
        data::load(&folder).map_err(|error| {
            if error.is::<Lacking>() {
                anyhow!("{error}; to fetch MNIST into it, add --download")
            } else {
                error
            }
        })
    }
}
