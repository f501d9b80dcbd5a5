"""The sentence model's encoder against BERT's equations in numpy, on a small random model of the true architecture."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch.special import erf

from similar_cases.describe.backends.minilm import MiniLmEmbedder
from similar_cases.domain.description import Level

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "large", "mass", "thigh", "cyst"]
SHAPE = {
    "hidden_size": 12, "num_attention_heads": 3, "intermediate_size": 20, "num_hidden_layers": 2,
    "vocab_size": len(WORDS), "max_position_embeddings": 300, "type_vocab_size": 2,
}  # fmt: skip


def random_weights() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    size, wide = SHAPE["hidden_size"], SHAPE["intermediate_size"]

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * 0.5

    weights = {
        "embeddings.word_embeddings.weight": drawn(len(WORDS), size),
        "embeddings.position_embeddings.weight": drawn(300, size),
        "embeddings.token_type_embeddings.weight": drawn(2, size),
        "embeddings.LayerNorm.weight": drawn(size),
        "embeddings.LayerNorm.bias": drawn(size),
    }
    square = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")
    linears = dict.fromkeys(square, (size, size)) | {
        "intermediate.dense": (wide, size),
        "output.dense": (size, wide),
    }
    for number in range(SHAPE["num_hidden_layers"]):
        for name, shape in linears.items():
            weights[f"encoder.layer.{number}.{name}.weight"] = drawn(*shape)
            weights[f"encoder.layer.{number}.{name}.bias"] = drawn(shape[0])
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            weights[f"encoder.layer.{number}.{name}.weight"] = drawn(size)
            weights[f"encoder.layer.{number}.{name}.bias"] = drawn(size)
    return weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model")
    (path / "config.json").write_text(json.dumps(SHAPE))
    save_file(random_weights(), path / "model.safetensors")
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(path / "tokenizer.json"))
    return path


def by_equations(tokens: list[int]) -> np.ndarray:
    """BERT's encoder (Devlin et al. 2019), token by token, in double precision."""
    w = {name: value.double().numpy() for name, value in random_weights().items()}

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        scaled = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    x = w["embeddings.word_embeddings.weight"][tokens] + w["embeddings.position_embeddings.weight"][: len(tokens)]
    x = norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    heads, width = SHAPE["num_attention_heads"], SHAPE["hidden_size"] // SHAPE["num_attention_heads"]
    for number in range(SHAPE["num_hidden_layers"]):
        at = f"encoder.layer.{number}."
        q, k, v = (
            linear(x, f"{at}attention.self.{part}").reshape(len(tokens), heads, width).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = np.exp(q @ k.transpose(0, 2, 1) / np.sqrt(width))
        mixed = (scores / scores.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(len(tokens), -1)
        x = norm(x + linear(mixed, f"{at}attention.output.dense"), f"{at}attention.output.LayerNorm")
        inner = linear(x, f"{at}intermediate.dense")
        inner = inner * 0.5 * (1 + erf(torch.from_numpy(inner) / np.sqrt(2)).numpy())
        x = norm(x + linear(inner, f"{at}output.dense"), f"{at}output.LayerNorm")
    mean = x.mean(axis=0)
    return mean / np.linalg.norm(mean)


def test_a_sentence_is_the_mean_of_what_the_equations_give(folder):
    embedder = MiniLmEmbedder(folder)
    for text, tokens in (("large mass thigh", [2, 4, 5, 6, 3]), ("cyst", [2, 7, 3]), ("unknown words", [2, 1, 1, 3])):
        assert embedder.embed(text).vector == pytest.approx(by_equations(tokens), abs=1e-5)


def test_the_space_tells_the_weights_and_the_same_text_gives_the_same_bytes(folder):
    first, second = MiniLmEmbedder(folder), MiniLmEmbedder(folder)
    assert first.space == second.space
    assert (first.space.level, first.space.size) == (Level.TEXT, 12)
    assert first.embed("large mass").vector.tobytes() == second.embed("large mass").vector.tobytes()


def test_a_long_text_is_cut(folder):
    embedder = MiniLmEmbedder(folder)
    long = embedder.embed("mass " * 10_000).vector
    assert long.tobytes() == embedder.embed("mass " * 254).vector.tobytes()
    assert embedder.embed("").vector.shape == (12,)
