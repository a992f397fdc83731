import type en from '../en/map'

const messages: typeof en = {
  map: {
    label: '影像地图。方向键平移，加号和减号缩放，回车键查看中心处的对象。',
    fit: '缩放至影像',
    zoomIn: '放大',
    zoomOut: '缩小',
    emptyTitle: '勾勒影像中的每一个对象',
    emptyText: '将 GeoTIFF 拖放到页面任意位置，或从示例影像开始。',
    loading: '正在加载影像',
    failed: '无法显示该影像。',
    retry: '重试',
    north: '北',
    yUp: 'y 增大的方向；该影像没有可确定正北的坐标系',
    pixel: '列 {col}，行 {row}',
    drawing: '在要分割的区域上拖出一个方框',
    drawingArea: '依次点击各个顶点；双击或点击第一个顶点结束，按 Esc 放弃',
    drawOutside: '方框位于影像之外，请在影像上绘制。',
  },
  measure: {
    title: '测量',
    distance: '测量距离',
    area: '测量面积',
    beginDistance: '沿要测量的线依次点击，双击结束',
    beginArea: '依次点击各个角点，双击结束',
    both: '{area}，周长 {length}',
    pixels: '{area} 平方像素',
    clear: '清除测量',
  },
  basemap: {
    title: '影像下方的底图',
  },
}

export default messages
