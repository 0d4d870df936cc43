"""The network behind a code: built, made fast, exported and timed."""
