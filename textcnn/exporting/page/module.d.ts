/** The answer to one text. */
export interface Answer {
  /** Null where the model abstains, or where no label of a multi-label model reaches its threshold. */
  label: string | null;
  /** Every label that the text is given, the most probable first. */
  labels: string[];
  /** Probability of `label`; the largest of all where a text may have several. */
  probability: number;
  /** Probability of each class, in the order of `Classifier.labels`. */
  probabilities: Float32Array;
  /** How sure the model is, where it may abstain. */
  confidence: number | null;
  abstained: boolean;
}

/** The answer of a regression to one text. */
export interface Prediction {
  /** The number; null for a model with several. */
  prediction: number | null;
  /** All numbers, in the order of `labels`, which are their names. */
  predictions: Float32Array;
}

/** A token and its part in the weight of an n-gram. */
export interface TokenShare {
  start: number;
  end: number;
  text: string;
  weight: number;
}

/** An n-gram, or a subword of a converted fastText model, and its part in a logit. Places are UTF-16 units of the text. */
export interface Contribution {
  start: number;
  end: number;
  text: string;
  /** What it adds to the logit: through the filters that it won, and through its row of a bag. */
  weight: number;
  /** The logit with the next best window of each of its filters, and without its part of a bag. */
  without: number;
  tokens: TokenShare[];
  /** Numbers of the filters that it won. */
  filters: number[];
}

/** The n-grams behind one logit of one text: bias + sum of weights = logit, which is the number of a regression. */
export interface Explanation {
  text: string;
  label: string;
  logit: number;
  /** Null for a regression. */
  probability: number | null;
  bias: number;
  /** Whether the tables are in 8 bits: exact for what they answer, near what the trained model would. */
  approximate: boolean;
  /** Whether `predict` gives the text no label. */
  abstained: boolean;
  /** The largest weight (of either sign) first. */
  contributions: Contribution[];
  /** Weight of each UTF-16 unit of the text. */
  characters: Float64Array;
}

export interface Classifier {
  readonly name: string;
  readonly labels: string[];
  readonly multiLabel: boolean;
  /** Whether the answers are numbers: then the model is a `Regressor`. */
  readonly regression: boolean;
  readonly temperature: number;
  /** Whether `explain` works: not for models that normalise their pooled features. */
  readonly explains: boolean;
  /** Why it does not, as the end of "The model ...". */
  readonly obstacle: string | null;
  /** The label of each text (null where the model abstains), or its labels where it may have several. */
  predict(texts: string[]): Array<string | null> | string[][];
  /** Probabilities of each text, classes in the order of `labels`. */
  predictProba(texts: string[]): Float32Array[];
  answer(texts: string[]): Answer[];
  /** Explain the logit of a label; without one, of the label that the text is given, or the most probable one. */
  explain(text: string, label?: string | null): Explanation;
}

/** A model whose answers are numbers. */
export interface Regressor extends Omit<Classifier, "predict" | "predictProba" | "answer"> {
  /** The number of each text, or its numbers where a model has several. */
  predict(texts: string[]): number[] | number[][];
  answer(texts: string[]): Prediction[];
  /** Explain a number by its name; without one, the only or the largest. */
  explain(text: string, label?: string | null): Explanation;
}

/** Open the model that this file holds. */
export function load(): Promise<Classifier>;
