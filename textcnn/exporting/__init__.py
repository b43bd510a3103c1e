"""Files that other programs run: ONNX."""
