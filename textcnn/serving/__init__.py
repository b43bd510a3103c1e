"""A server of trained models over HTTP, without torch: answers, explanations, metrics and a page."""
