"""A path that was given relative to a folder holds in a child process, which works in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from service.analyse.child import Limits, call
from service.analyse.read import Image, read_file
from service.analyse.read_picture import read_picture


def first_level(frames):
    return int(frames.grey(0)[0, 0])


def test_an_image_is_decoded_in_a_child(make_dataset, save, tmp_path, monkeypatch):
    path = save(make_dataset(np.full((1, 48, 64), 77, np.uint8)))
    monkeypatch.chdir(path.parent)
    read = read_file(path.name)
    assert isinstance(read, Image)
    assert read.path == path.name
    assert call(first_level, read.clip.frames, limits=Limits(60), scratch=tmp_path) == 77


def test_a_video_is_decoded_from_another_folder(tmp_path, monkeypatch):
    writer = cv2.VideoWriter(str(tmp_path / "clip.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 25, (64, 48))
    for _ in range(3):
        writer.write(np.full((48, 64, 3), 90, np.uint8))
    writer.release()
    monkeypatch.chdir(tmp_path)
    clip = read_picture(Path("clip.mp4"))
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert abs(int(clip.frames.grey(0)[0, 0]) - 90) <= 3
