"""What networks are trained on: task files, data on disk, and one file per kind of task."""
