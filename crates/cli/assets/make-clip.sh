#!/bin/sh
# Makes the demo clip beside this script: crates/cli/assets/clip/.
#
# A test pattern with its own clock and a beep each second, 24 s long, as CMAF fMP4 in 2 s segments: three video rungs
# (their number is the count of white squares in the lower left corner) and one audio track. The HLS playlists and the
# DASH manifest name the same segments. All references are relative, so that a signed path prefix is inherited, and all
# names are of unreserved characters. One thread, bit-exact muxing: the same ffmpeg (made with 5.1) gives the same bytes.
#
# Usage: crates/cli/assets/make-clip.sh        needs ffmpeg with libx264
set -eu
cd "$(dirname "$0")"
out=clip
seconds=24
rm -rf "$out"
mkdir -p "$out/0" "$out/1" "$out/2" "$out/3" # the muxer numbers its streams; they get their names below

# The tone ends a little before the picture: 24 s of AAC frames would spill one frame into a 13th segment.
tone_seconds=23.95

square() { # the n-th white square of a rung's label: x and size grow with the picture
    echo "drawbox=x=$(($1 * $2 * 3 / 2)):y=ih-$(($2 * 2)):w=$2:h=$2:color=white:t=fill"
}
low="scale=320:180,$(square 1 8)"
mid="scale=640:360,$(square 1 16),$(square 2 16)"
top="$(square 1 24),$(square 2 24),$(square 3 24)"

ffmpeg -hide_banner -loglevel error -y -threads 1 -filter_complex_threads 1 \
    -f lavfi -i "testsrc2=s=960x540:r=25:d=$seconds" \
    -f lavfi -i "sine=f=220:b=4:r=48000:d=$tone_seconds" \
    -filter_complex "[0:v]format=yuv420p,hue=s=0.55,split=3[a][b][c];[a]$low[low];[b]$mid[mid];[c]$top[top]" \
    -map "[low]" -map "[mid]" -map "[top]" -map 1:a \
    -fflags +bitexact -flags:v +bitexact+cgop -flags:a +bitexact -map_metadata -1 \
    -c:v libx264 -preset slow -profile:v main -threads 1 -bf 0 -g 50 -keyint_min 50 -sc_threshold 0 \
    -b:v:0 200k -maxrate:v:0 250k -bufsize:v:0 400k \
    -b:v:1 450k -maxrate:v:1 550k -bufsize:v:1 900k \
    -b:v:2 800k -maxrate:v:2 950k -bufsize:v:2 1600k \
    -c:a aac -b:a 64k -ac 1 \
    -f dash -seg_duration 2 -use_template 1 -use_timeline 1 -hls_playlist 1 \
    -format_options movflags=+cmaf \
    -init_seg_name '$RepresentationID$/init.mp4' -media_seg_name '$RepresentationID$/seg-$Number%05d$.m4s' \
    -adaptation_sets "id=0,streams=v id=1,streams=a" "$out/manifest.mpd"

# Streams by number become streams by name; wall-clock times go, so that two runs give the same bytes.
number=0
for name in video-180p video-360p video-540p audio; do
    mv "$out/$number" "$out/$name"
    sed -e '/^#EXT-X-PROGRAM-DATE-TIME/d' \
        -e 's/^#EXT-X-TARGETDURATION.*/&\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS/' \
        -e "s|URI=\"$number/|URI=\"$name/|" -e "s|^$number/|$name/|" \
        "$out/media_$number.m3u8" > "$out/$name.m3u8"
    rm "$out/media_$number.m3u8"
    sed -i -e "s/\"media_$number.m3u8\"/\"$name.m3u8\"/" -e "s/^media_$number.m3u8/$name.m3u8/" "$out/master.m3u8"
    sed -i -e "s/<Representation id=\"$number\"/<Representation id=\"$name\"/" "$out/manifest.mpd"
    number=$((number + 1))
done
sed -i -e 's/group_A1/audio/g' -e 's/NAME="audio_3"/NAME="Tone"/' -e '/^$/d' \
    -e 's/^#EXT-X-VERSION.*/&\n#EXT-X-INDEPENDENT-SEGMENTS/' -e 's/,RESOLUTION/,FRAME-RATE=25.000&/' "$out/master.m3u8"
sed -i -e '/ProgramInformation>/d' -e '/<ServiceDescription/d' -e '/ServiceDescription>/d' -e '/availabilityStartTime/d' \
    -e '/publishTime/d' "$out/manifest.mpd"
