"""Skies and daylight for exteriors: clear, cloudy, dusk, night, mist."""

from __future__ import annotations

from training.scenes import sky
from training.scenes.build import Builder

HOURS = ("noon", "noon", "noon", "clouds", "golden", "golden", "dusk", "mist", "night")


def daylight(b: Builder, hour: str, *, ridges: bool = True) -> float:
    """Set sky, sun, ambient light and haze; return the brightness to expose for."""
    s = b.sky
    s[sky.SKY_SEED] = b.many(1, 9000)
    s[sky.CLOUD_SCALE] = b.uniform(0.5, 1.3)
    s[sky.AO_REACH] = 1.6
    yaw = b.pick([b.uniform(-150, -50), b.uniform(50, 150), b.uniform(-60, 60)])
    if hour in ("noon", "clouds"):
        zenith, horizon = (0.13, 0.32, 0.85), (0.65, 0.82, 1.05)
        sun, height = (2.7, 2.5, 2.15), b.uniform(28, 65)
        up, down = (0.42, 0.55, 0.78), (0.2, 0.19, 0.16)
        cover, bright, haze, middle = b.uniform(0.1, 0.5), 1.7, b.uniform(0.0008, 0.004), 0.28
        ridge = (0.16, 0.27, 0.4)
        if hour == "clouds":
            cover, sun, up = b.uniform(0.75, 1.0), (1.2, 1.15, 1.1), (0.6, 0.66, 0.74)
            zenith, horizon = (0.35, 0.45, 0.6), (0.75, 0.8, 0.85)
    elif hour == "golden":
        zenith, horizon = (0.15, 0.26, 0.55), (1.05, 0.72, 0.42)
        sun, height = (3.0, 1.9, 0.95), b.uniform(9, 20)
        up, down = (0.36, 0.38, 0.5), (0.2, 0.15, 0.1)
        cover, bright, haze, middle = b.uniform(0.2, 0.6), 1.35, b.uniform(0.002, 0.007), 0.24
        ridge = (0.35, 0.25, 0.28)
    elif hour == "dusk":
        zenith, horizon = b.pick(
            [((0.1, 0.09, 0.3), (1.0, 0.4, 0.22)), ((0.06, 0.1, 0.28), (0.75, 0.35, 0.45))]
        )
        sun, height = (1.6, 0.7, 0.35), b.uniform(3, 9)
        up, down = (0.26, 0.22, 0.36), (0.13, 0.09, 0.09)
        cover, bright, haze, middle = b.uniform(0.3, 0.7), 0.8, b.uniform(0.002, 0.006), 0.16
        ridge = (0.12, 0.08, 0.16)
        s[sky.STARS] = 0.15
    elif hour == "mist":
        zenith, horizon = (0.62, 0.68, 0.74), (0.78, 0.8, 0.8)
        sun, height = (0.8, 0.76, 0.68), b.uniform(15, 40)
        up, down = (0.55, 0.58, 0.62), (0.3, 0.3, 0.29)
        cover, bright, haze, middle = 0.3, 1.1, b.uniform(0.008, 0.022), 0.34
        ridge = (0.5, 0.55, 0.6)
    else:
        zenith, horizon = (0.012, 0.02, 0.06), (0.05, 0.07, 0.15)
        sun, height = (0.22, 0.27, 0.42), b.uniform(25, 50)  # the moon
        up, down = (0.05, 0.06, 0.12), (0.03, 0.03, 0.05)
        cover, bright, haze, middle = b.uniform(0.0, 0.4), 0.6, b.uniform(0.002, 0.006), 0.1
        ridge = (0.01, 0.015, 0.03)
        s[sky.STARS] = 1.0
    s[sky.ZENITH : sky.ZENITH + 3] = zenith
    s[sky.HORIZON : sky.HORIZON + 3] = horizon
    s[sky.CLOUDS], s[sky.CLOUD_LIGHT], s[sky.HAZE] = cover, bright, haze
    b.sun(yaw, height, sun, 0.008 if hour != "clouds" else 0.15)
    b.ambient(up, down)
    if ridges:
        s[sky.RIDGES], s[sky.RIDGE_HEIGHT] = b.many(0, 3), b.uniform(0.04, 0.22)
        s[sky.RIDGE : sky.RIDGE + 3] = ridge
    return middle
