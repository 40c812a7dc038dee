"""This machine: its files, its terminal, its locks, and work side by side on it."""
