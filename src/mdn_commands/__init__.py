"""The commands of `mdn`, a module for each chapter; `app` puts them together, and `mdn_cli` calls it."""
