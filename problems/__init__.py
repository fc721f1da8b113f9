"""Ready problems with exact solutions: each file holds functions that return a `Problem`, as a user's own file would."""
