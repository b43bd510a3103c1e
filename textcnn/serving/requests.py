"""Bodies of requests: their fields, documentation and examples, which the OpenAPI page shows."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class PredictRequest(BaseModel):
    """Body of `POST /predict`: one text or many.

    The answer to a text has its label, labels, probability and probabilities, or, from a regression, its `prediction`
    and, where it has several numbers, `predictions` in the order of `labels`.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [{"text": "a lovely film"}, {"texts": ["a lovely film", "a dull end"], "top_k": 2}]
        },
    )
    model: str | None = Field(
        None, description="Name of the model, or MODEL/HEAD for one head. Default: the first one."
    )
    text: str | None = Field(None, description="One text.")
    texts: list[str] | None = Field(None, description="Several texts.")
    top_k: int = Field(0, ge=0, le=1000, description="Most probable labels to add to each answer; not of a regression.")
    probabilities: bool = Field(True, description="Give the probability of every class.")
    abstain: bool = Field(True, description="Give no label where the model is not sure enough.")

    def all_texts(self) -> list[str]:
        """Return the texts.

        Raises:
            ValueError: There is neither a text nor texts, or both.
        """
        if (self.text is None) == (self.texts is None):
            what = "neither" if self.text is None else "both"
            raise ValueError(f"got {what} of text and texts; expected one of them; send text or texts")
        return [self.text] if self.text is not None else list(self.texts or ())


class ExplainRequest(BaseModel):
    """Body of `POST /explain`.

    The weights and the bias add up to the logit of a label, or to the number of a regression.
    """

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"text": "a lovely film with a dull end"}]}
    )
    model: str | None = Field(None, description="Name of the model, or MODEL/HEAD. Default: the first one.")
    text: str = Field(description="Text to explain.")
    label: str | None = Field(
        None,
        description="Label to explain, or name of a number. Default: the most probable label, or the largest number.",
    )


def body_schema(kind: type[BaseModel]) -> dict[str, Any]:
    """Return the entry of OpenAPI for a route with this body."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": kind.model_json_schema()}}}}


def message_of(error: ValidationError, kind: type[BaseModel]) -> str:
    """Return what is wrong with a body, in one line."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part)[:40] for part in first["loc"]) or "body"
    got = ascii(first["input"])
    got = got if len(got) <= 80 else got[:77] + "..."
    # pydantic's own words: "Input should be a valid array", "Extra inputs are not permitted", "Field required".
    said = first["msg"].removeprefix("Input should be ")
    plain = {"extra_forbidden": "no such field", "missing": "this field"}
    expected = plain.get(first["type"], said[:1].lower() + said[1:])
    return f"{place}: got {got}; expected {expected}; send JSON with {', '.join(kind.model_fields)}"
