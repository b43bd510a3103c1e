"""The text-classification pipeline of transformers for a model with several heads."""

from __future__ import annotations

from typing import Any

from transformers import TextClassificationPipeline


class HeadsPipeline(TextClassificationPipeline):
    """Pipeline that gives the label and the score of each head, or several of them with `top_k`.

    Example:
        >>> classify = pipeline("text-classification", "runs/posts", trust_remote_code=True)
        >>> classify("free entry, call now")
        [{'topic': {'label': 'advert', 'score': 0.97}, 'tone': {'label': 'loud', 'score': 0.88}}]
    """

    def postprocess(
        self, model_outputs: Any, function_to_apply: Any = None, top_k: int | None = 1, _legacy: bool = True
    ) -> dict[str, Any]:
        """Return an answer, or a list of the most probable ones, by head.

        Raises:
            ValueError: function_to_apply is given; each head has the function of its task.
        """
        if function_to_apply is not None:
            raise ValueError(f"function_to_apply: got {function_to_apply}; expected none, as each head has its own")
        answers = {}
        by_head = self.model.by_head(model_outputs["logits"].float())
        for head in self.model.config.heads:
            logits, kind = by_head[head["name"]][0], head["problem_type"]
            if kind == "regression":
                scores = logits  # the number itself, as transformers gives it
            else:
                scores = logits.sigmoid() if kind == "multi_label_classification" else logits.softmax(dim=-1)
            order = scores.argsort(descending=True)[:top_k].tolist()
            found = [{"label": head["labels"][i], "score": scores[i].item()} for i in order]
            answers[head["name"]] = found[0] if _legacy and top_k == 1 else found
        return answers
