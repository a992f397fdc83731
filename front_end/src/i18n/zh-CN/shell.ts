import type en from '../en/shell'

const messages: typeof en = {
  product: '遥感影像万物分割',
  productShort: '遥感万物分割',
  language: '语言',
  panel: {
    open: '显示或隐藏侧栏',
    map: '地图',
    raster: '影像',
    segment: '分割',
    classes: '类别',
    objects: '对象',
    result: '结果',
  },
  errors: {
    dismiss: '关闭',
    unreachable: '服务器没有响应。请检查网络连接；页面会在可能时继续重试。',
    unexpectedReply: '服务器返回了意外的内容（{detail}）。请稍后再试。',
    storageFull: '浏览器的存储空间已满或被禁用：未能发送的对象已丢失。请检查网络连接后重新勾画。',
    conflict: '另一个标签页同时修改了这里。页面现已显示最新内容，请查看后重新操作。',
    bug: '页面遇到意外问题：{detail}',
  },
}

export default messages
