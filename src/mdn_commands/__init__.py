"""The commands of `mdn`, a module for each chapter; `mdn_cli` puts them together."""
