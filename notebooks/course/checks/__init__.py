"""The checks of the tasks and guesses, a module for each lesson."""
