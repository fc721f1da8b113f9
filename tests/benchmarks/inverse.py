"""Standard errors keep their word: how often the truth lies within two of them, over a hundred noisy data sets.

    python -m tests.benchmarks.inverse [sets]

α of the heat equation is found from 50 values with 1 % of normal noise, another noise in each set. Two standard errors
hold the truth in 95 of 100 sets; 90 are asked for. The last columns compare what is reported with what is seen: the mean
standard error, and the standard deviation of the estimates.
"""

import sys
import time
from statistics import mean, stdev

import torch

from kanpde import solve
from problems.inverse_heat import ALPHA, inverse_heat

NOISE = 0.01


def main(sets: int = 100) -> int:
    torch.set_num_threads(1)
    found, seconds = [], []
    for number in range(sets):
        start = time.perf_counter()
        found.append(solve(inverse_heat(noise=NOISE, seed=number), progress=False).parameters["alpha"])
        seconds.append(time.perf_counter() - start)
    covered = sum(abs(one.value - ALPHA) < 2 * one.standard_error for one in found)
    reported, seen = mean(one.standard_error for one in found), stdev(one.value for one in found)
    print("| sets | within two standard errors | mean standard error | deviation of the estimates | longest, s |")
    print("|---|---|---|---|---|")
    print(f"| {sets} | {covered} | {reported:.2e} | {seen:.2e} | {max(seconds):.1f} |")
    return covered


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
