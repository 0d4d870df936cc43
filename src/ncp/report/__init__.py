"""Pictures and pages of results: facts computed from what commands wrote, then SVG and HTML."""
