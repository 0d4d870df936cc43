"""One training: schedules, the loop, the saved state, and the folder of a run."""
