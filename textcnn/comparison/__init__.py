"""`textcnn compare`: classifiers of several kinds on the same labelled data."""
