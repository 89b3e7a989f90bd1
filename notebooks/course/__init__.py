"""What the lessons import: servers in the background, checks of tasks, traffic."""
