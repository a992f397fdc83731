/**
 * Chinese for sentences that the server gives in English. What is missing here is shown as the server says it; errors
 * always are, because they carry facts that no table can hold.
 */
export const CHINESE_PARAMETER_DESCRIPTIONS: Record<string, string> = {
  points_per_side: '每个窗口每条边上的提示点数：越多越能找到小对象，但耗时更长。',
  points_per_batch: '网络一次处理的提示点数：在大显存 GPU 上越多越快，但占用更多内存。',
  pred_iou_thresh: '网络自评质量低于此值的掩膜会被丢弃。',
  stability_score_thresh: '截断值变动时轮廓变化过大（稳定性低于此值）的掩膜会被丢弃。',
  stability_score_offset: '测量稳定性时截断值移动的幅度：越大越严格。',
  box_nms_thresh: '两个掩膜的外框重叠超过此值时，只保留较好的一个。',
  crop_n_layers: '对每个窗口放大后的局部再次分割的层数：可找到小对象，每层耗时约为四倍。',
  crop_nms_thresh: '不同放大局部的掩膜之间适用的同一重叠规则。',
  crop_overlap_ratio: '相邻放大局部的重叠部分占窗口短边的比例。',
  crop_n_points_downscale_factor: '每深入一层放大局部，每边提示点数除以此值。',
  min_mask_region_area: '小于此像素数的孔洞会被填补，碎块会被去除；0 表示保留。',
}

const CHINESE_STEPS: Record<string, string> = {
  'loading the network': '正在加载网络',
  'merging objects': '正在合并对象',
  'looking again at cut objects': '正在复查被切断的对象',
  'writing labels': '正在写出标签',
  'writing the labels': '正在写出标签',
  'writing the classes': '正在写出类别',
  'rating areas': '正在评定区域',
  'measuring areas': '正在测量面积',
  'numbering areas': '正在为区域编号',
  'dropping small areas': '正在舍去小区域',
  'numbering objects': '正在为对象编号',
  'measuring cover': '正在测量覆盖率',
  'closing gaps': '正在填补缝隙',
  'numbering what is left': '正在为剩余地面编号',
  'drawing outlines': '正在勾画轮廓',
  'outlining objects': '正在勾画对象',
  'adding objects': '正在添加对象',
  'comparing objects': '正在比较对象',
  finished: '完成',
  'unpacking the archive': '正在解压',
  'reading labels': '正在读取标注',
  'preparing the review': '正在准备审核',
}

const WINDOW_STEP = /^window (\d+) of (\d+)$/
const IMAGE_STEP = /^image (\d+) of (\d+)$/
const WINDOWS_STEP = /^looking at (\d+) windows$/

/** The step of a job in the page's language, with a capital as a line of its own. */
export function describeStep(step: string, locale: string): string {
  if (locale !== 'zh-CN') return step.charAt(0).toUpperCase() + step.slice(1)
  const [, number, total] = WINDOW_STEP.exec(step) ?? []
  if (number !== undefined) return `窗口 ${number} / ${total}`
  const [, image, images] = IMAGE_STEP.exec(step) ?? []
  if (image !== undefined) return `影像 ${image} / ${images}`
  const [, windows] = WINDOWS_STEP.exec(step) ?? []
  if (windows !== undefined) return `正在查看 ${windows} 个窗口`
  return CHINESE_STEPS[step] ?? step
}

/** Why a box has no mask in a dataset, as the server counts it. */
const CHINESE_REASONS: Record<string, string> = {
  no_mask: '没有掩膜',
  low_predicted_iou: '预测 IoU 过低',
  low_stability: '稳定性过低',
  box_disagrees: '与框不符',
  small_for_its_box: '相对框过小',
  large_for_its_box: '相对框过大',
  outside: '在影像之外',
  empty: '没有面积',
  twice: '重复的框',
  difficult: '标记为困难',
}

/** The reason in the page's language. */
export function describeReason(reason: string, locale: string): string {
  const words = reason.replaceAll('_', ' ')
  return locale === 'zh-CN' ? (CHINESE_REASONS[reason] ?? words) : words
}
