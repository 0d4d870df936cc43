// Plays the steps of a propagation: the drawing, the dimensions as bars, the line of the score. Emits `ended`.
export default {
  template: `
    <div class="animation" v-if="frames.length">
      <div class="animation-head">
        <div class="figure"><span class="figure-value">{{ frame.score }}</span><span class="figure-name">score [std]</span></div>
        <div v-for="fact in frame.facts" :key="fact[0]" class="figure">
          <span class="figure-value">{{ fact[1] }}</span><span class="figure-name">{{ fact[0] }}</span>
        </div>
        <div class="animation-controls">
          <span class="animation-step">step {{ at }} of {{ frames.length - 1 }}</span>
          <button type="button" class="button" v-if="playing" @click="stop">Stop</button>
        </div>
      </div>
      <svg class="animation-line" viewBox="0 0 100 24" preserveAspectRatio="none" role="img" :aria-label="'objective along ' + at + ' steps'">
        <polyline class="animation-rest" :points="points(frames.length)" /><polyline class="animation-done" :points="points(at + 1)" />
      </svg>
      <input type="range" class="animation-place" min="0" :max="frames.length - 1" :value="at" aria-label="step of the propagation"
        :aria-valuetext="'step ' + at" :style="{ '--share': at / Math.max(1, frames.length - 1) }" @input="seek" />
      <div class="animation-net scroll" tabindex="0" role="group" aria-label="drawing of this step's network" v-if="frame.svg" v-html="frame.svg"></div>
      <div class="bars" :class="{ few: groups.length < 3 }">
        <div v-for="group in groups" :key="group.name" class="bar-group">
          <div class="bar-title">{{ group.name }}</div>
          <div v-for="dim in group.dims" :key="dim.place" class="bar" :class="{ moved: frame.codes[dim.place] !== frames[0].codes[dim.place] }">
            <span class="bar-name">{{ dim.name }}</span>
            <span class="bar-track"><span class="bar-fill" :style="{ transform: 'scaleX(' + share(dim) + ')' }"></span></span>
            <span class="bar-value">{{ dim.values[frame.codes[dim.place]] }}</span>
          </div>
        </div>
      </div>
    </div>
  `,
  props: { frames: Array, groups: Array, run: Number, pace: Number },
  data() {
    return { at: 0, playing: false, timer: null };
  },
  computed: {
    frame() {
      return this.frames[Math.min(this.at, this.frames.length - 1)];
    },
  },
  watch: {
    run: { handler: "play", immediate: true },
  },
  beforeUnmount() {
    clearInterval(this.timer);
  },
  methods: {
    play() {
      clearInterval(this.timer);
      if (!this.frames.length) return;
      const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.at = still ? this.frames.length - 1 : 0;
      this.playing = !still;
      if (still) return this.$emit("ended", { step: this.at, run: this.run, stopped: false });
      this.timer = setInterval(() => {
        if (this.at < this.frames.length - 1) this.at += 1;
        if (this.at >= this.frames.length - 1) this.end(false);
      }, this.pace);
    },
    stop() {
      this.end(true);
    },
    end(stopped) {
      clearInterval(this.timer);
      if (!this.playing) return;
      this.playing = false;
      this.$emit("ended", { step: this.at, run: this.run, stopped });
    },
    seek(event) {
      if (this.playing) this.end(true);
      this.at = Number(event.target.value);
    },
    share(dim) {
      return this.frame.codes[dim.place] / Math.max(1, dim.values.length - 1);
    },
    points(count) {
      const heights = this.frames.map((frame) => frame.height);
      return heights.slice(0, count).map((h, k) => `${(100 * k) / Math.max(1, heights.length - 1)},${22 - 20 * h}`).join(" ");
    },
  },
};
