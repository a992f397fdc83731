import type { Point } from './pixelConverter'

/** Rounding must not cost the last point of a line. */
const EPSILON = 1e-9

/**
 * Points along a line, the first at its start, each so far along it from the one before.
 *
 * @param limit no more points than this are made
 */
export function pointsAlong(line: readonly Point[], spacing: number, limit: number): Point[] {
  const points: Point[] = []
  /** How far the next point lies beyond the corner before it. */
  let ahead = 0
  line.slice(1).forEach((end, index) => {
    const start = line[index] ?? end
    const length = Math.hypot(end[0] - start[0], end[1] - start[1])
    while (ahead <= length * (1 + EPSILON) && length > 0 && points.length < limit) {
      const share = ahead / length
      points.push([start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share])
      ahead += spacing
    }
    ahead -= length
  })
  return points
}

/** Where a horizontal line enters and leaves a ring, from left to right. */
function crossings(ring: readonly Point[], y: number): number[] {
  return ring
    .flatMap(([x0, y0], index) => {
      const [x1, y1] = ring[(index + 1) % ring.length] ?? [x0, y0]
      // A corner belongs to the edge above it alone, so that it is not counted twice.
      return y0 > y === y1 > y ? [] : [x0 + ((y - y0) / (y1 - y0)) * (x1 - x0)]
    })
    .sort((one, other) => one - other)
}

/** Values from low to high with equal distances, with as much left over at one end as at the other. */
function* centred(low: number, high: number, spacing: number): Generator<number> {
  const count = Math.max(1, Math.floor((high - low) / spacing))
  const first = (low + high - (count - 1) * spacing) / 2
  for (let index = 0; index < count; index += 1) yield first + index * spacing
}

/**
 * The points of a square grid that lie in a polygon, row by row.
 *
 * @param ring of the polygon, open or closed
 * @param limit no more points than this are made
 */
export function pointsInside(ring: readonly Point[], spacing: number, limit: number): Point[] {
  const x = ring.map((point) => point[0])
  const y = ring.map((point) => point[1])
  const columns = [...centred(Math.min(...x), Math.max(...x), spacing)]
  const points: Point[] = []
  for (const row of centred(Math.min(...y), Math.max(...y), spacing)) {
    const walls = crossings(ring, row)
    for (const column of columns) {
      // An odd number of walls to the left: inside.
      if (walls.filter((wall) => wall <= column).length % 2 === 1) points.push([column, row])
      if (points.length === limit) return points
    }
  }
  return points
}
