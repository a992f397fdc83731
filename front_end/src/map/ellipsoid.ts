import type { Point } from './pixelConverter'

/** WGS 84: half the equator's diameter in metres, and its flattening. */
const EQUATOR_M = 6_378_137
const FLATTENING = 1 / 298.257_223_563
const E2 = FLATTENING * (2 - FLATTENING)
const E = Math.sqrt(E2)
/** A straight edge of a Web-Mercator map is cut into so many pieces. */
const PIECES = 64

function toRadians(degrees: number): number {
  return (degrees * Math.PI) / 180
}

/** Metres from the centre of the Earth. */
function toSpace([lon, lat]: Point): [number, number, number] {
  const [phi, lambda] = [toRadians(lat), toRadians(lon)]
  const normal = EQUATOR_M / Math.sqrt(1 - E2 * Math.sin(phi) ** 2)
  const across = normal * Math.cos(phi)
  return [across * Math.cos(lambda), across * Math.sin(lambda), normal * (1 - E2) * Math.sin(phi)]
}

/** How strongly the ellipsoid is curved at a latitude, as the radius of the sphere that is curved so. */
function radiusAt(lat: number): number {
  const shrink = 1 - E2 * Math.sin(toRadians(lat)) ** 2
  return (EQUATOR_M * Math.sqrt(1 - E2)) / shrink
}

/** Metres between two positions in lon/lat: the chord through the Earth, bent back to its surface. */
export function distance(from: Point, to: Point): number {
  const [start, end] = [toSpace(from), toSpace(to)]
  const chord = Math.hypot(end[0] - start[0], end[1] - start[1], end[2] - start[2])
  const diameter = 2 * radiusAt((from[1] + to[1]) / 2)
  return diameter * Math.asin(Math.min(1, chord / diameter))
}

/** Metres along a line of positions in lon/lat; within a hundred-thousandth of the geodesic up to 1000 km. */
export function lineLength(line: Point[]): number {
  return line.slice(1).reduce((sum, place, index) => sum + distance(line[index] ?? place, place), 0)
}

/** Height of a latitude in the projection onto a cylinder that keeps areas, in metres. */
function equalAreaHeight(lat: number): number {
  const sine = Math.sin(toRadians(lat))
  const flat = sine / (1 - E2 * sine ** 2)
  const bent = Math.log((1 - E * sine) / (1 + E * sine)) / (2 * E)
  return (EQUATOR_M * (1 - E2) * (flat - bent)) / 2
}

/** Northing of a latitude on a Web-Mercator map, in radians, and back. */
const mercator = {
  toNorthing: (lat: number) => Math.asinh(Math.tan(toRadians(lat))),
  toLatitude: (northing: number) => (Math.atan(Math.sinh(northing)) * 180) / Math.PI,
}

/** The positions of an edge that is straight on a Web-Mercator map, without the last. */
function cutEdge(from: Point, to: Point): Point[] {
  const [start, end] = [mercator.toNorthing(from[1]), mercator.toNorthing(to[1])]
  return Array.from({ length: PIECES }, (_, index): Point => {
    const share = index / PIECES
    const lat = mercator.toLatitude(start + (end - start) * share)
    return [from[0] + (to[0] - from[0]) * share, lat]
  })
}

/** Area within a ring, from the signed areas under its edges; the ring may be open or closed. */
export function planeArea(ring: Point[]): number {
  const doubled = ring.reduce((sum, [x, y], index) => {
    const [nextX, nextY] = ring[(index + 1) % ring.length] ?? [x, y]
    return sum + (nextX - x) * (nextY + y)
  }, 0)
  return Math.abs(doubled) / 2
}

export function planeLength(line: Point[]): number {
  return line.slice(1).reduce((sum, [x, y], index) => {
    const [beforeX, beforeY] = line[index] ?? [x, y]
    return sum + Math.hypot(x - beforeX, y - beforeY)
  }, 0)
}

/** Square metres within a ring of positions in lon/lat, whose edges are straight on a Web-Mercator map. */
export function ringArea(ring: Point[]): number {
  const cut = ring.flatMap((place, index) =>
    cutEdge(place, ring[(index + 1) % ring.length] ?? place),
  )
  return planeArea(
    cut.map(([lon, lat]): Point => [EQUATOR_M * toRadians(lon), equalAreaHeight(lat)]),
  )
}
