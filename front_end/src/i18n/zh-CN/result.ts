import type en from '../en/result'

const messages: typeof en = {
  result: {
    title: '结果',
    none: '尚无结果。运行分割后，对象会显示在这里。',
    toSegment: '前往分割',
    count: '没有对象 | {n} 个对象 | {n} 个对象',
    empty: '没有对象通过阈值。请降低阈值或增加每边采样点数。',
    emptyClass: '该模型权重在此处没有找到“{class}”。',
    checkpoint: '模型权重',
    opacity: '不透明度',
    swipe: '卷帘对比',
    swipePosition: '卷帘位置',
    click: '点击地图上的对象查看其属性。',
    download: '下载',
    tif: '标签，云优化 GeoTIFF',
    gpkg: '多边形，GeoPackage',
    geojson: '多边形，GeoJSON',
    shp: '多边形，Shapefile',
    coco: '标注，COCO',
    keepAll: '全部保留',
    keepAllHint: '将该结果的全部对象加入已接受的对象',
    kept: '已保留 {n} 个对象 | 已保留 {n} 个对象 | 已保留 {n} 个对象',
  },
  object: {
    title: '对象 {id}',
    close: '关闭',
    nothing: '此处没有对象',
    area: '面积',
    areaPx: '像素数',
    predictedIou: '预测 IoU',
    stability: '稳定性',
    bbox: '外框（x、y、宽、高）',
    point: '提示点',
    class: '类别',
    source: '来源',
    keep: '保留',
    keepHint: '将该对象加入已接受的对象',
    kept: '已保留',
  },
}

export default messages
