// The app and the API on one origin: what begins with /api/ or /static/ goes to Django.
const django = process.env.DJANGO ?? "http://127.0.0.1:8000";

export default {
  trailingSlash: true,
  async rewrites() {
    return [
      { source: "/api/:path*/", destination: `${django}/api/:path*/` },
      { source: "/static/:path*", destination: `${django}/static/:path*` },
    ];
  },
};
