"""Files that other programs run: ONNX, a page, a JavaScript module."""
