"""Earlier exams of a patient: asked for, fetched, read back. Runs in a child process with a limit on its time."""
