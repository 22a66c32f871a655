"""`mdn play`: a model and a musician over every wire that IMPSY knows, by IMPSY's own TOML file."""
