"""Small models in the formats in which the real ones are published: folders of diffusers as Stable Diffusion 1.4's and
3's with their own keys, and CompVis checkpoints. Weights are random; everything else is as on the hub."""

from __future__ import annotations

import json
import shutil
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, SD3Transformer2DModel, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
)

from lethe.models.tokenizer import write_tokenizer

WORDS = ["a nude person on a rooftop at noon", "a photo of a person wearing clothes, in the style of Van Gogh"]
UNET = {
    "act_fn": "silu",
    "attention_head_dim": 2,
    "block_out_channels": [8, 8, 16, 16],
    "center_input_sample": False,
    "cross_attention_dim": 16,
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-05,
    "norm_num_groups": 4,
    "out_channels": 4,
    "sample_size": 8,
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
}
VAE = {
    "act_fn": "silu",
    "block_out_channels": [8, 8, 8, 8],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 4,
    "out_channels": 3,
    "sample_size": 64,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
PNDM = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.7.0.dev0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
    "clip_sample": False,
}
TRANSFORMER = {
    "attention_head_dim": 8,
    "caption_projection_dim": 16,
    "in_channels": 4,
    "joint_attention_dim": 48,
    "num_attention_heads": 2,
    "num_layers": 2,
    "out_channels": 4,
    "patch_size": 2,
    "pooled_projection_dim": 40,
    "pos_embed_max_size": 192,
    "sample_size": 8,
}
VAE3 = {
    **VAE,
    "force_upcast": True,
    "latents_mean": None,
    "latents_std": None,
    "mid_block_add_attention": True,
    "scaling_factor": 1.5305,
    "shift_factor": 0.0609,
    "use_post_quant_conv": False,
    "use_quant_conv": False,
}
FLOW = {
    "_class_name": "FlowMatchEulerDiscreteScheduler",
    "_diffusers_version": "0.29.0.dev0",
    "num_train_timesteps": 1000,
    "shift": 3.0,
}


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2))


def published_stable_diffusion(folder: Path, seed: int = 0, words: Sequence[str] = WORDS) -> Path:
    """As CompVis/stable-diffusion-v1-4: an autoencoder with its names of 2022, positions among the text encoder's
    weights, a tokenizer without tokenizer.json, a safety checker and a feature extractor beside them."""
    torch.manual_seed(seed)
    # Its pipeline takes networks of versions before 0.9 for ones of 64 latents a side.
    _network(folder / "unet", UNet2DConditionModel.from_config(UNET), UNET, "0.9.0")
    _network(folder / "vae", AutoencoderKL.from_config(VAE), VAE, "0.2.2")
    rename(folder / "vae" / "diffusion_pytorch_model.safetensors", NAMES_OF_2022)
    vocabulary = _tokenizer(folder / "tokenizer", "<|endoftext|>", words)
    _encoder(folder / "text_encoder", CLIPTextModel, vocabulary, width=16)
    write_json(folder / "scheduler" / "scheduler_config.json", PNDM)
    write_json(folder / "feature_extractor" / "preprocessor_config.json", {"size": 224})
    write_json(folder / "safety_checker" / "config.json", {"model_type": "clip"})
    (folder / "safety_checker" / "model.safetensors").write_bytes(b"never read")
    write_json(
        folder / "model_index.json",
        {
            "_class_name": "StableDiffusionPipeline",
            "_diffusers_version": "0.2.2",
            "feature_extractor": ["transformers", "CLIPImageProcessor"],
            "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
            "scheduler": ["diffusers", "PNDMScheduler"],
            "text_encoder": ["transformers", "CLIPTextModel"],
            "tokenizer": ["transformers", "CLIPTokenizer"],
            "unet": ["diffusers", "UNet2DConditionModel"],
            "vae": ["diffusers", "AutoencoderKL"],
        },
    )
    return folder


def published_stable_diffusion_3(
    folder: Path, seed: int = 0, variant: str | None = None, words: Sequence[str] = WORDS
) -> Path:
    """As stabilityai/stable-diffusion-3-medium-diffusers, of which T5's folders were not fetched."""
    torch.manual_seed(seed)
    network = SD3Transformer2DModel.from_config(TRANSFORMER)
    _network(folder / "transformer", network, TRANSFORMER, "0.29.0.dev0")
    _network(folder / "vae", AutoencoderKL.from_config(VAE3), VAE3, "0.29.0.dev0")
    for end, width, pad in (("", 16, "<|endoftext|>"), ("_2", 24, "!")):
        vocabulary = _tokenizer(folder / f"tokenizer{end}", pad, words)
        _encoder(folder / f"text_encoder{end}", CLIPTextModelWithProjection, vocabulary, width)
    write_json(folder / "scheduler" / "scheduler_config.json", FLOW)
    write_json(
        folder / "model_index.json",
        {
            "_class_name": "StableDiffusion3Pipeline",
            "_diffusers_version": "0.29.0.dev0",
            "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
            "text_encoder": ["transformers", "CLIPTextModelWithProjection"],
            "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
            "text_encoder_3": ["transformers", "T5EncoderModel"],
            "tokenizer": ["transformers", "CLIPTokenizer"],
            "tokenizer_2": ["transformers", "CLIPTokenizer"],
            "tokenizer_3": ["transformers", "T5TokenizerFast"],
            "transformer": ["diffusers", "SD3Transformer2DModel"],
            "vae": ["diffusers", "AutoencoderKL"],
        },
    )
    return folder


def published_t5(folder: Path, width: int = 48) -> Path:
    """``text_encoder_3`` in float16, and ``tokenizer_3``: a unigram tokenizer with a hundred extra tokens."""
    torch.manual_seed(3)
    words = {word for text in WORDS for word in text.split()}
    pieces = sorted({f"\u2581{word}" for word in words} | {"\u2581", *string.ascii_lowercase})
    scored = [(piece, -float(len(pieces) - len(piece))) for piece in pieces]
    extra = [f"<extra_id_{number}>" for number in range(99, -1, -1)]
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    tokenizer = Tokenizer(models.Unigram([*special, *scored, *((name, 0.0) for name in extra)], unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    roles = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    write_json(folder / "tokenizer_3" / "special_tokens_map.json", roles)
    write_json(
        folder / "tokenizer_3" / "tokenizer_config.json",
        {"extra_ids": 100, "model_max_length": 512, "tokenizer_class": "T5Tokenizer", **roles},
    )
    tokenizer.save(str(folder / "tokenizer_3" / "tokenizer.json"))
    config = T5Config(vocab_size=tokenizer.get_vocab_size(), d_model=width, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    T5EncoderModel(config).half().save_pretrained(folder / "text_encoder_3")
    return folder


NAMES_OF_2022 = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}


def rename(path: Path, names: Mapping[str, str]) -> None:
    """Rewrite a safetensors file, with parts of its tensors' names replaced."""
    tensors = {}
    for name, tensor in load_file(path).items():
        for new, old in names.items():
            name = name.replace(new, old)
        tensors[name] = tensor
    save_file(tensors, path, metadata={"format": "pt"})


def as_bin(path: Path, name: str) -> None:
    """The same weights as a file of ``torch.save`` beside it, in its place."""
    torch.save(load_file(path), path.with_name(name))
    path.unlink()


def as_fp16(path: Path) -> None:
    """The same weights as the variant fp16, in its place."""
    halves = {name: part.half() if part.is_floating_point() else part for name, part in load_file(path).items()}
    save_file(halves, path.with_name(f"{path.stem}.fp16{path.suffix}"), metadata={"format": "pt"})
    path.unlink()


def as_shards(path: Path, count: int, variant: str = "") -> None:
    """The same weights in ``count`` files with an index, in its place."""
    tensors = list(load_file(path).items())
    places = {}
    for number in range(count):
        name = f"{path.stem}{variant}-{number + 1:05d}-of-{count:05d}{path.suffix}"
        part = dict(tensors[number::count])
        save_file(part, path.with_name(name), metadata={"format": "pt"})
        places |= dict.fromkeys(part, name)
    size = sum(tensor.nbytes for _, tensor in tensors)
    index = {"metadata": {"total_size": size}, "weight_map": places}
    write_json(path.with_name(f"{path.name}.index{variant}.json"), index)
    path.unlink()


def as_hub_snapshot(folder: Path, cache: Path) -> Path:
    """The folder as the hub's cache keeps it: links into ``blobs``; returns the snapshot."""
    repository = cache / "models--CompVis--stable-diffusion-v1-4"
    snapshot = repository / "snapshots" / "133a221b8aa7292a167afc5127cb63fb5005638b"
    (repository / "blobs").mkdir(parents=True)
    for number, file in enumerate(sorted(path for path in folder.rglob("*") if path.is_file())):
        blob = repository / "blobs" / f"{number:040x}"
        shutil.copyfile(file, blob)
        link = snapshot / file.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    return snapshot


# ------------------------------------------------------------------------------------- checkpoints of the original code


def checkpoint_of(folder: Path, average: float | None = None) -> dict[str, Any]:
    """What CompVis's training leaves of the model in ``folder``; with ``average`` also averaged weights of the U-Net,
    which are the others times that number."""
    unet = {f"model.diffusion_model.{name}": part for name, part in unet_of_ldm(_weights(folder / "unet")).items()}
    state = {"betas": torch.zeros(1000), **unet}
    if average is not None:
        state |= {_averaged(name): average * part for name, part in unet.items()}
        state |= {"model_ema.decay": torch.tensor(0.9999), "model_ema.num_updates": torch.tensor(470000)}
    state |= {f"first_stage_model.{name}": part for name, part in vae_of_ldm(_weights(folder / "vae")).items()}
    text = load_file(folder / "text_encoder" / "model.safetensors")
    state |= {f"cond_stage_model.transformer.{name}": part for name, part in text.items()}
    return {"epoch": 13, "global_step": 470000, "state_dict": state, "callbacks": {}, "lr_schedulers": []}


def _averaged(name: str) -> str:
    """LDM's LitEma keeps the average of each weight of ``model`` as a buffer, whose name may have no dot."""
    return "model_ema." + name.removeprefix("model.").replace(".", "")


def _weights(folder: Path) -> dict[str, Tensor]:
    tensors = load_file(folder / "diffusion_pytorch_model.safetensors")
    for new, old in NAMES_OF_2022.items():
        tensors = {name.replace(old, new): part for name, part in tensors.items()}
    return tensors


def unet_of_ldm(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A U-Net's weights by their names in LDM, whose blocks are counted in the order in which they are run."""
    levels, layers = len(UNET["block_out_channels"]), UNET["layers_per_block"]
    places = {
        "conv_in": "input_blocks.0.0",
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
        "mid_block.resnets.0": "middle_block.0",
        "mid_block.attentions.0": "middle_block.1",
        "mid_block.resnets.1": "middle_block.2",
    }
    number = 1
    for level in range(levels):
        for layer in range(layers):
            places[f"down_blocks.{level}.resnets.{layer}"] = f"input_blocks.{number}.0"
            places[f"down_blocks.{level}.attentions.{layer}"] = f"input_blocks.{number}.1"
            number += 1
        places[f"down_blocks.{level}.downsamplers.0.conv"] = f"input_blocks.{number}.0.op"
        number += 1
    number = 0
    for level in range(levels):
        for layer in range(layers + 1):
            places[f"up_blocks.{level}.resnets.{layer}"] = f"output_blocks.{number}.0"
            places[f"up_blocks.{level}.attentions.{layer}"] = f"output_blocks.{number}.1"
            number += 1
        attends = UNET["up_block_types"][level] == "CrossAttnUpBlock2D"
        places[f"up_blocks.{level}.upsamplers.0.conv"] = f"output_blocks.{number - 1}.{2 if attends else 1}.conv"
    inside = {
        "norm1": "in_layers.0",
        "conv1": "in_layers.2",
        "time_emb_proj": "emb_layers.1",
        "norm2": "out_layers.0",
        "conv2": "out_layers.3",
        "conv_shortcut": "skip_connection",
    }
    return {_renamed(name, places, inside): part for name, part in weights.items()}


def vae_of_ldm(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """An autoencoder's weights by their names in LDM, where attention is made of 1x1 convolutions."""
    levels = len(VAE["block_out_channels"])
    places = {}
    for side, blocks in (("encoder", "down"), ("decoder", "up")):
        for level in range(levels):
            other = level if blocks == "down" else levels - 1 - level
            for layer in range(VAE["layers_per_block"] + (blocks == "up")):
                places[f"{side}.{blocks}_blocks.{level}.resnets.{layer}"] = f"{side}.{blocks}.{other}.block.{layer}"
            size = "downsample" if blocks == "down" else "upsample"
            places[f"{side}.{blocks}_blocks.{level}.{size}rs.0.conv"] = f"{side}.{blocks}.{other}.{size}.conv"
        places |= {f"{side}.mid_block.resnets.{layer}": f"{side}.mid.block_{layer + 1}" for layer in range(2)}
        places |= {f"{side}.mid_block.attentions.0": f"{side}.mid.attn_1", f"{side}.conv_norm_out": f"{side}.norm_out"}
    inside = {"conv_shortcut": "nin_shortcut", "group_norm": "norm", "to_out.0": "proj_out"}
    inside |= {f"to_{letter}": letter for letter in "qkv"}
    renamed = {_renamed(name, places, inside): part for name, part in weights.items()}
    return {
        name: part[:, :, None, None] if ".attn_1." in name and part.dim() == 2 else part
        for name, part in renamed.items()
    }


def _renamed(name: str, places: Mapping[str, str], inside: Mapping[str, str]) -> str:
    for place, other in places.items():
        if name.startswith(f"{place}."):
            rest = name.removeprefix(f"{place}.")
            if ".attentions." in name and "encoder" not in name and "decoder" not in name:
                return f"{other}.{rest}"
            for part, another in inside.items():
                if rest.startswith(f"{part}."):
                    rest = f"{another}.{rest.removeprefix(f'{part}.')}"
                    break
            return f"{other}.{rest}"
    return name


# ------------------------------------------------------------------------------------------------------------- parts


def _network(folder: Path, network: Any, config: Mapping[str, Any], version: str) -> None:
    for part in network.parameters():  # not the zeros that some layers start with
        torch.nn.init.normal_(part, std=0.2)
    folder.mkdir(parents=True)
    save_file(network.state_dict(), folder / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", {"_class_name": type(network).__name__, "_diffusers_version": version, **config})


def _encoder(folder: Path, kind: Any, vocabulary: int, width: int) -> None:
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        projection_dim=width,
        bos_token_id=0,
        eos_token_id=2,  # as published: the end is then looked for as the largest number
        pad_token_id=1,
    )
    encoder = kind(config)
    weights = {
        name if name.startswith("text_projection.") else f"text_model.{name.removeprefix('text_model.')}": part
        for name, part in encoder.state_dict().items()
    }
    weights["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    folder.mkdir(parents=True)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config.architectures = [kind.__name__]
    write_json(folder / "config.json", json.loads(config.to_json_string()) | {"torch_dtype": "float32"})


def _tokenizer(folder: Path, pad: str, words: Sequence[str]) -> int:
    """As openai/clip-vit-large-patch14's: special tokens are described in full, there is no tokenizer.json."""
    tokenizer = write_tokenizer(folder, words, 77)

    def described(token: str, normalized: bool = True) -> dict[str, Any]:
        return {"content": token, "lstrip": False, "normalized": normalized, "rstrip": False, "single_word": False}

    tokens = {role: getattr(tokenizer, role) for role in ("bos_token", "eos_token", "unk_token")}
    write_json(
        folder / "special_tokens_map.json",
        {role: described(token) for role, token in tokens.items()} | {"pad_token": pad},
    )
    write_json(
        folder / "tokenizer_config.json",
        {
            "add_prefix_space": False,
            "do_lower_case": True,
            "errors": "replace",
            "model_max_length": 77,
            "name_or_path": "openai/clip-vit-large-patch14",
            "pad_token": pad,
            "special_tokens_map_file": "./special_tokens_map.json",
            "tokenizer_class": "CLIPTokenizer",
            **{role: {"__type": "AddedToken", **described(token)} for role, token in tokens.items()},
        },
    )
    return len(tokenizer)
