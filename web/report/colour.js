// Colour means something: magnitudes in cividis, signed values in blue-neutral-red with the neutral at zero.
import * as Plot from "@observablehq/plot";

export const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches && !matchMedia("print").matches;

export function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// Blue to white to red in the light; blue to near-black to red in the dark. Ends chosen for equal lightness.
const lightEnds = ["#2166ac", "#f7f6f3", "#b2182b"], darkEnds = ["#6aa8f0", "#181b22", "#ff7a6b"];

/* A Plot colour scale over [low, high]; signed scales are symmetric about zero. */
export function scale(low, high, signed, unit) {
  if (signed) {
    const most = Math.max(Math.abs(low), Math.abs(high)) || 1;
    return {type: "diverging", domain: [-most, most], range: isDark() ? darkEnds : lightEnds, pivot: 0, label: unit};
  }
  if (!(high > low)) high = low + (Math.abs(low) || 1) * 1e-6;
  return {type: "linear", scheme: "cividis", domain: [low, high], label: unit};
}

export const base = () => ({
  style: {background: "transparent", color: "inherit", fontFamily: "inherit", fontSize: "12px", overflow: "visible"},
});

export {Plot};
