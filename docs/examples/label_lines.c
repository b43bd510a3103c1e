/* Label the lines of standard input with a folded textcnn model:  label_lines runs/reviews < texts.txt */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "textcnn.h"

int main(int argc, char **argv) {
  char line[1 << 16];
  textcnn_model *model = argc == 2 ? textcnn_open(argv[1]) : NULL;
  if (model == NULL) {
    fprintf(stderr, "label_lines: %s\n", argc == 2 ? textcnn_error() : "usage: label_lines MODEL < texts.txt");
    return 2;
  }
  float *probabilities = malloc(sizeof(float) * (size_t)textcnn_classes(model));
  if (probabilities == NULL) return 1;
  while (fgets(line, sizeof line, stdin) != NULL) {
    size_t bytes = strcspn(line, "\n");
    int64_t label = textcnn_classify(model, line, bytes, probabilities);
    if (label < 0) {
      fprintf(stderr, "label_lines: %s\n", textcnn_error());
      return 2;
    }
    printf("%s\t%.4f\t%.*s\n", textcnn_label(model, label), probabilities[label], (int)bytes, line);
  }
  free(probabilities);
  textcnn_close(model);
  return 0;
}
