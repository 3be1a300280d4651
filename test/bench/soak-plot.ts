import { plotStyle } from './plot.ts';
import type { SoakSample } from './soak.ts';
import { short } from './table.ts';

// Memory over time as SVG: both scales are straight and begin at zero, so that what is flat looks flat and nothing else does.

const [width, height] = [800, 300];
const inner = { left: 58, right: 24, top: 56, bottom: 46 };
const steps = 5;

/** The least of 1, 2, 5, 10 … that is not below the value. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find(factor => factor * power >= value) ?? 10) * power;
}

/** A plot of own memory and RSS. @returns an SVG document */
export function soakPlotOf(samples: readonly SoakSample[]): string {
  const minutes = samples.at(-1)?.minute ?? 1;
  const top = roundUp(Math.max(1, ...samples.map(({ rssMiB }) => rssMiB)));
  const [right, bottom] = [width - inner.right, height - inner.bottom];
  const x = (minute: number): string => (inner.left + (minute / minutes) * (right - inner.left)).toFixed(1);
  const y = (value: number): string => (bottom - (value / top) * (bottom - inner.top)).toFixed(1);
  const parts: string[] = [];
  for (let step = 0; step <= steps; step += 1) {
    const value = (top / steps) * step;
    const minute = (minutes / steps) * step;
    parts.push(
      `<line class="grid" x1="${inner.left}" x2="${right}" y1="${y(value)}" y2="${y(value)}"/>`,
      `<text class="small" x="${inner.left - 8}" y="${Number(y(value)) + 4}" text-anchor="end">${short(value)}</text>`,
      `<text class="small" x="${x(minute)}" y="${bottom + 18}" text-anchor="middle">${short(minute)}</text>`,
    );
  }
  const lines = [
    { label: 'RSS', shape: 'a', of: (sample: SoakSample) => sample.rssMiB },
    { label: 'own (RssAnon)', shape: 'c', of: (sample: SoakSample) => sample.ownMiB },
  ];
  for (const [index, { label, shape, of }] of lines.entries()) {
    const points = samples.map(sample => `${x(sample.minute)},${y(of(sample))}`).join(' ');
    const left = inner.left + index * 130;
    parts.push(
      `<polyline class="line ${shape}" points="${points}"/>`,
      `<line class="line ${shape}" x1="${left}" x2="${left + 28}" y1="40" y2="40"/>`,
      `<text x="${left + 36}" y="44">${label}</text>`,
    );
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>Memory of the agent over time</title>
<style>${plotStyle}</style>
<rect class="back" width="${width}" height="${height}"/>
<text class="title" x="${inner.left}" y="22">Memory of the agent in MiB, by minutes</text>
${parts.join('\n')}
</svg>
`;
}
