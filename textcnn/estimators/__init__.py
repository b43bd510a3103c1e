"""Estimators with the interface of scikit-learn: a text classifier and a regressor."""
