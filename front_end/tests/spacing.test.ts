import { describe, expect, it } from 'vitest'

import type { Point } from 'src/map/pixelConverter'
import { pointsAlong, pointsInside } from 'src/map/spacing'

const LIMIT = 100

describe('points along a line', () => {
  it('begin at its start and end at its end where the spacing fits', () => {
    const line: Point[] = [[0, 0], [10, 0]] // prettier-ignore
    expect(pointsAlong(line, 5, LIMIT)).toEqual([[0, 0], [5, 0], [10, 0]]) // prettier-ignore
    expect(pointsAlong(line, 4, LIMIT)).toEqual([[0, 0], [4, 0], [8, 0]]) // prettier-ignore
    expect(pointsAlong(line, 50, LIMIT)).toEqual([[0, 0]])
  })

  it('keep their distance around corners', () => {
    const line: Point[] = [[0, 0], [3, 0], [3, 0], [3, 9]] // prettier-ignore
    expect(pointsAlong(line, 4, LIMIT)).toEqual([[0, 0], [3, 1], [3, 5], [3, 9]]) // prettier-ignore
  })

  it('do not lose the last one by rounding', () => {
    const line: Point[] = [[0, 0], [0.3, 0]] // prettier-ignore
    expect(pointsAlong(line, 0.1, LIMIT)).toHaveLength(4)
  })

  it('are not made without end', () => {
    const line: Point[] = [[0, 0], [1e9, 0]] // prettier-ignore
    expect(pointsAlong(line, 1e-3, LIMIT)).toHaveLength(LIMIT)
  })
})

describe('points in a polygon', () => {
  const square: Point[] = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]] // prettier-ignore

  it('stand on a grid in its middle', () => {
    const expected = [[2.5, 2.5], [7.5, 2.5], [2.5, 7.5], [7.5, 7.5]] // prettier-ignore
    expect(pointsInside(square, 5, LIMIT)).toEqual(expected)
    expect(pointsInside(square.slice(0, 4), 5, LIMIT)).toEqual(expected)
  })

  it('are one at least in a polygon smaller than the spacing', () => {
    expect(pointsInside(square, 50, LIMIT)).toEqual([[5, 5]])
  })

  it('leave out what lies beside it, in a bay too', () => {
    // A "U": the middle of its upper half is outside.
    const bay: Point[] = [[0, 0], [9, 0], [9, 9], [6, 9], [6, 3], [3, 3], [3, 9], [0, 9]] // prettier-ignore
    const found = pointsInside(bay, 3, LIMIT)
    expect(found).toContainEqual([1.5, 7.5])
    expect(found).toContainEqual([4.5, 1.5])
    expect(found).not.toContainEqual([4.5, 7.5])
    expect(found).toHaveLength(7)
  })

  it('are not made without end', () => {
    expect(pointsInside(square, 0.01, LIMIT)).toHaveLength(LIMIT)
  })
})
