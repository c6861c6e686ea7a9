//! The example that `config example` prints.

/// Complete and commented; works against `countermand simulate`.
pub(crate) const EXAMPLE: &str = include_str!("example.toml");

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write;

    use super::EXAMPLE;
    use crate::config::notes::Shown;
    use crate::config::{Config, Source, load};

    fn read(text: &str) -> Config {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("countermand.toml");
        std::fs::write(&file, text).unwrap();
        load(&Source {
            file: Some(file),
            env: Vec::new(),
        })
        .unwrap_or_else(|problems| {
            let mut told = String::new();
            for problem in problems {
                writeln!(told, "{problem}").unwrap();
            }
            panic!("{told}")
        })
    }

    fn values(config: &Config) -> BTreeMap<String, String> {
        config
            .shown
            .iter()
            .map(
                |Shown {
                     section,
                     key,
                     value,
                     ..
                 }| (format!("{section}.{key}"), value.to_string()),
            )
            .collect()
    }

    #[test]
    fn the_example_is_complete_and_shows_the_defaults() {
        let uncommented: String = EXAMPLE
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => {
                    format!("{rest}\n")
                }
                _ => format!("{line}\n"),
            })
            .collect();
        let (as_printed, spelled_out) = (read(EXAMPLE), read(&uncommented));
        let mut defaults = values(&as_printed);
        // A list of tables has no value of its own.
        defaults.remove("http.tokens");
        assert_eq!(values(&spelled_out), defaults);
        for shown in &spelled_out.shown {
            assert_ne!(
                shown.origin,
                crate::config::problem::Origin::Default,
                "the example lacks {}.{}",
                shown.section,
                shown.key
            );
        }
    }

    #[test]
    fn the_example_is_sound() {
        let config = read(EXAMPLE);
        assert_eq!(config.targets.len(), 1);
        assert!(config.store.path.ends_with("countermand.db"));
        assert!(
            config
                .warnings
                .iter()
                .all(|warning| warning.message.contains("chmod")),
            "{:?}",
            config.warnings
        );
    }
}
