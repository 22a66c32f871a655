"""The pages of the studio, one module each; each has a class `Page` of its own as `page`."""
