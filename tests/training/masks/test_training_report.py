"""The tables of training/README.md match the records; a record's command describes its config."""

from dataclasses import replace

import pytest

from evafast import UsageError
from training.masks.config import AugmentConfig, DataConfig, LossConfig, MaskTrainConfig
from training.masks.report import BEGIN, END, README, read_records, rewritten, tables
from training.masks.train import PROG, command_of, options_from


def described_by(command):
    return options_from(command.removeprefix(PROG).split()).config


@pytest.mark.parametrize("config", [
    MaskTrainConfig(),
    MaskTrainConfig(minutes=60.0, compile=True, batch_size=8, data=DataConfig(split="placement")),
    MaskTrainConfig(losses=LossConfig.parse("bce=1,l1=0.25"), augment=AugmentConfig.none()),
    MaskTrainConfig(data=DataConfig(backgrounds="a", foregrounds="b", depth="none", seed=3)),
])  # fmt: skip
def test_the_command_of_a_config_describes_it(config):
    assert described_by(command_of(config)) == config


def test_the_command_of_the_default_config_is_short():
    assert command_of(MaskTrainConfig()) == "python -m training.masks.train"
    assert command_of(replace(MaskTrainConfig(), rate=0.001)).endswith("--rate 0.001")


def record(iou, split="asset", **more):
    scores = {"iou": iou, "dice": 0.5, "boundary_f": 0.25, **more}
    return {
        "scores": {"small": scores, "difference": {**scores, "iou": 0.1},
                   "always background": {**scores, "iou": 0.0}},
        "difference_threshold": 80, "samples": 1024, "split": split, "augmented": True, "size": 112,
        "steps": 1200, "batch_size": 16, "trained_minutes": 59.6, "losses": {"bce": 1.0},
        "command": "e", "trained_by": "t",
    }  # fmt: skip


def test_a_table_for_each_set_of_samples():
    text = tables({"one": record(0.9876), "two": record(0.5), "three": record(0.25, "placement")})
    assert text.count("**Split by") == 2
    assert "| *one*: small | bce=1 | 1,200 x 16 | 60 | 0.988 | 0.500 | 0.250 | | |" in text
    assert text.count("always background, mean depth") == 2
    assert "- *two*: `t`, then `e`" in text


def test_baselines_are_of_a_record_with_depth_where_there_is_one():
    text = tables({"one": record(0.9), "two": record(0.8, rmse=0.125, delta1=0.75)})
    assert text.count("0.125 | 0.750") == 3


def test_only_the_marked_block_is_rewritten():
    assert rewritten(f"a{BEGIN}old{END}z", "new") == f"a{BEGIN}\nnew\n{END}z"
    with pytest.raises(UsageError, match="expected"):
        rewritten("no marks", "new")


def test_the_readme_says_what_the_records_say():
    records = read_records()
    text = README.read_text(encoding="utf-8")
    assert rewritten(text, tables(records)) == text
