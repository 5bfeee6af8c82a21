"""A fork's book points at the fork: GITHUB_REPOSITORY overrides the address in _config.yml."""

import os


def use_fork(app, config):
    """Replace the repository's address in the theme's buttons, and remember both addresses."""
    options = config.html_theme_options
    config.vq_home = options["repository_url"]
    fork = os.environ.get("GITHUB_REPOSITORY")
    if fork:
        options["repository_url"] = f"https://github.com/{fork}"
    config.vq_address = options["repository_url"]


def point_text_at_fork(app, docname, source):
    """Replace the address where the text spells it out."""
    source[0] = source[0].replace(app.config.vq_home, app.config.vq_address)


def setup(app):
    # "env": pages are read again when an address changes.
    app.add_config_value("vq_home", "", "env", [str])
    app.add_config_value("vq_address", "", "env", [str])
    app.connect("config-inited", use_fork)
    app.connect("source-read", point_text_at_fork)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
