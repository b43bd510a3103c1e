"""`textcnn tune`: a search for settings, with a time limit, that goes on where it stopped."""
