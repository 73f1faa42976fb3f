// Round numbers along an axis. Owns the choice of ticks. Must not know what is measured.

/** About `wanted` round numbers between `low` and `high`. */
export function ticks(low, high, wanted) {
  const raw = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = Math.max([1, 2, 5, 10].find((factor) => factor * power >= raw) * power, 1);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + 1e-9; value += step) found.push(Math.round(value));
  return found;
}

/** 1, 2, 5, 10, … between two powers of ten (given as exponents); only full powers where that would be too many. */
export function logTicks(low, high) {
  const steps = high - low > 2.5 ? [1] : high - low > 1 ? [1, 3] : [1, 2, 3, 5, 7];
  const found = [];
  for (let exponent = Math.floor(low); exponent <= Math.ceil(high); exponent += 1) {
    for (const step of steps) {
      const place = Math.log10(step) + exponent;
      if (place >= low - 1e-9 && place <= high + 1e-9) found.push(Math.round(step * 10 ** exponent));
    }
  }
  return found.length > 1 ? found : ticks(10 ** low, 10 ** high, 4);
}
