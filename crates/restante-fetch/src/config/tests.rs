//! fetch.toml, good and bad: what it means, and what is said about it.
