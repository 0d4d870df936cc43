// A file input that uploads as soon as a file is chosen. It is a plain input, which keyboards and phones handle.
export default {
  template: `
    <div class="file">
      <input type="file" :id="field" :accept="accept" :aria-label="label" @change="send" />
      <progress v-if="share < 1" :value="share" max="1" :aria-label="'sending ' + label"></progress>
    </div>
  `,
  props: { url: String, accept: String, label: String, limit: Number, field: String },
  data() {
    return { share: 1 };
  },
  methods: {
    send(event) {
      const file = event.target.files[0];
      if (!file) return;
      this.$emit("chosen");
      if (file.size > this.limit) return this.$emit("rejected", { name: file.name, size: file.size });
      const form = new FormData();
      form.append("file", file);
      const request = new XMLHttpRequest();
      request.upload.onprogress = (now) => (this.share = now.total ? now.loaded / now.total : 0);
      request.onloadend = () => {
        this.share = 1;
        if (request.status !== 200) this.$emit("rejected", { name: file.name, size: file.size });
      };
      this.share = 0;
      request.open("POST", (window.path_prefix || "") + this.url);
      request.send(form);
    },
  },
};
