"""Commands of aai-console: one module each, offering ``add_parser``."""
