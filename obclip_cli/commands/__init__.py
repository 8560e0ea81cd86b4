"""One command a file, thin: parse, compose the configuration, call the library, show."""
